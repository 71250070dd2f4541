//! The pages that ask who somebody is.

use maud::html;

use serde_json::Value;

use super::passkey::{PasskeyForm, SCRIPT_PATH, Use};
use super::{Page, fault, hidden};

const SECOND_FACTOR: &str = "/oauth/second-factor";

/// Asks for name and password.
pub struct SignIn<'a> {
    /// On whose behalf, as far as it has a name.
    pub client: Option<&'a str>,
    pub username: &'a str,
    pub fault: Option<&'a str>,
    pub hidden: &'a [(&'a str, &'a str)],
    /// Other ways in: the name of an external provider and where it begins.
    pub providers: &'a [(String, String)],
}

/// Asks for a code of the second factor.
pub struct SecondFactor<'a> {
    pub fault: Option<&'a str>,
    pub hidden: &'a [(&'a str, &'a str)],
    /// The ceremony and the options of a passkey that would do, too.
    pub passkey: Option<(&'a str, &'a Value)>,
}

impl SignIn<'_> {
    pub fn page(&self) -> Page {
        let content = html! {
            h1 { "Sign in" }
            @if let Some(client) = self.client {
                p { "to continue to " strong { (client) } }
            }
            (fault(self.fault))
            form method="post" action="/oauth/sign-in" {
                (hidden(self.hidden))
                label for="username" { "Username" }
                input #username name="username" type="text" value=(self.username) required
                    maxlength="64" autocomplete="username" autocapitalize="none" spellcheck="false"
                    autofocus[self.username.is_empty()]
                    aria-describedby=[self.fault.map(|_| "fault")];
                label for="password" { "Password" }
                input #password name="password" type="password" required maxlength="1024"
                    autocomplete="current-password" autofocus[!self.username.is_empty()]
                    aria-describedby=[self.fault.map(|_| "fault")];
                button type="submit" { "Sign in" }
            }
            @if !self.providers.is_empty() {
                h2 { "Or sign in with" }
                ul .providers {
                    @for (name, begin) in self.providers {
                        li { a .button href=(begin) { (name) } }
                    }
                }
            }
        };
        titled("Sign in", self.fault, content)
    }
}

impl SecondFactor<'_> {
    pub fn page(&self) -> Page {
        let content = html! {
            h1 { "One more proof" }
            p #how {
                "Enter the code that your authenticator app shows, or one of your recovery codes."
            }
            (fault(self.fault))
            form #second-factor method="post" action=(SECOND_FACTOR) {
                (hidden(self.hidden))
                label for="otp" { "Code" }
                input #otp name="otp" type="text" required maxlength="32" autofocus
                    autocomplete="one-time-code" autocapitalize="none" spellcheck="false"
                    aria-describedby=(if self.fault.is_some() { "how fault" } else { "how" });
                button type="submit" { "Continue" }
            }
            @if let Some(form) = self.passkey() { (form.render()) }
        };
        let page = titled("One more proof", self.fault, content);
        if self.passkey.is_some() { page.with_script(SCRIPT_PATH) } else { page }
    }
}

impl<'a> SecondFactor<'a> {
    fn passkey(&self) -> Option<PasskeyForm<'a>> {
        let (ceremony, options) = self.passkey?;
        Some(PasskeyForm {
            action: SECOND_FACTOR,
            does: Use::Get,
            ceremony,
            options,
            fields: self.hidden,
            button: "Use a passkey",
        })
    }
}

fn titled(title: &str, fault: Option<&str>, content: maud::Markup) -> Page {
    let title = if fault.is_some() { format!("Error: {title}") } else { title.to_owned() };
    Page::new(title, content)
}
