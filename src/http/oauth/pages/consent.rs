//! The page on which a person decides what a client may do in their name.

use maud::{Markup, html};

use super::{Page, hidden};
use crate::authn::oauth::{Client, Known, RedirectUri};

/// Asks whether `client` may hold `scopes`.
pub struct Consent<'a> {
    pub client: &'a Client,
    pub redirect_uri: &'a RedirectUri,
    /// When the client was registered, where it was.
    pub registered: Option<String>,
    pub username: &'a str,
    pub scopes: &'a [Asked<'a>],
    /// Whom the tokens are for, where that is not this service.
    pub audience: Option<&'a str>,
    pub hidden: &'a [(&'a str, &'a str)],
    pub sign_out: &'a [(&'a str, &'a str)],
}

/// One scope that is asked for.
pub struct Asked<'a> {
    pub scope: &'a str,
    /// Agreed to on an earlier day.
    pub agreed: bool,
}

impl Consent<'_> {
    pub fn page(&self) -> Page {
        let name = name(self.client);
        let content = html! {
            h1 { "Allow " (name) "?" }
            p { strong { (name) } " asks to act in your name. You are signed in as "
                strong { (self.username) } "." }
            (self.origin())
            form method="post" action="/oauth/consent" {
                (hidden(self.hidden))
                fieldset {
                    legend { "It may hold these scopes" }
                    @for (index, asked) in self.scopes.iter().enumerate() {
                        div .choice {
                            input type="checkbox" name="scope" value=(asked.scope) checked
                                id={ "scope-" (index) };
                            label for={ "scope-" (index) } {
                                code { (asked.scope) }
                                @if asked.agreed { " " span .quiet { "(allowed before)" } }
                            }
                        }
                    }
                }
                div .buttons {
                    button type="submit" name="decision" value="allow" { "Allow" }
                    button .second type="submit" name="decision" value="deny" { "Deny" }
                }
            }
            form .aside method="post" action="/oauth/sign-out" {
                (hidden(self.sign_out))
                p { "Not " (self.username) "? " button .link type="submit" { "Sign out" } }
            }
        };
        Page::new(format!("Allow {name}?"), content)
    }

    /// What can be known of whoever asks, so that a name alone convinces nobody.
    fn origin(&self) -> Markup {
        html! {
            dl {
                @match (&self.client.known, &self.registered) {
                    (Known::ByDocument { host }, _) => {
                        dt { "Application" } dd { "known by " code { (host) } " alone" }
                    }
                    (Known::Registered { .. }, at) => {
                        dt { "Application" }
                        dd { "registered here" @if let Some(at) = at { " on " (at) }
                             "; it chose its name itself" }
                    }
                }
                dt { "The answer goes to" }
                dd {
                    code { (self.redirect_uri.place()) }
                    @if !self.redirect_uri.is_web() { ", a program on this computer" }
                }
                @if let Some(audience) = self.audience {
                    dt { "For use with" } dd { code { (audience) } }
                }
            }
        }
    }
}

/// The client's name, or its id where it has none.
pub fn name(client: &Client) -> &str {
    client.metadata.name.as_ref().map_or(client.id.as_str(), |it| it.as_str())
}
