//! Pages on which a browser enrols a passkey, and the form that lets it use one.

use maud::{Markup, html};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{Page, hidden};

pub const SCRIPT: &str = include_str!("passkey.js");
pub const SCRIPT_PATH: &str = "/oauth/passkey.js";
/// Where a browser enrols a passkey; the ceremony is its query.
pub const PATH: &str = "/oauth/passkey";
/// Where whoever is signed in begins.
pub const BEGIN_PATH: &str = "/oauth/account/passkey";

/// What a browser does with a passkey: the word that the script reads.
#[derive(Clone, Copy, Debug)]
pub enum Use {
    Create,
    Get,
}

/// A form that [`SCRIPT`] fills in and sends: without the script it does nothing, and is not shown.
/// Its fields are `ceremony`, `credential` (JSON) and those of `fields`.
pub struct PasskeyForm<'a> {
    pub action: &'a str,
    pub does: Use,
    pub ceremony: &'a str,
    pub options: &'a Value,
    pub fields: &'a [(&'a str, &'a str)],
    pub button: &'a str,
}

impl PasskeyForm<'_> {
    pub fn render(&self) -> Markup {
        let does = match self.does {
            Use::Create => "create",
            Use::Get => "get",
        };
        html! {
            form #passkey method="post" action=(self.action) hidden
                data-passkey=(does) data-options=(self.options) {
                (hidden(self.fields))
                (hidden(&[("ceremony", self.ceremony), ("credential", "")]))
                p .fault role="alert" hidden {}
                button type="submit" { (self.button) }
            }
        }
    }
}

/// Asks the browser to make a passkey.
pub fn enrolment(ceremony: &str, options: &Value) -> Page {
    let form = PasskeyForm {
        action: PATH,
        does: Use::Create,
        ceremony,
        options,
        fields: &[],
        button: "Add a passkey",
    };
    let content = html! {
        h1 { "Add a passkey" }
        p { "Your device keeps the passkey and asks for your fingerprint, face or PIN whenever it "
            "is used." }
        (form.render())
        noscript { p .fault { "Passkeys need JavaScript, which this browser does not run here." } }
    };
    Page::new("Add a passkey", content).with_script(SCRIPT_PATH)
}

/// Says that it is done, and shows recovery codes where they are new.
pub fn enrolled(recovery_codes: &[SecretString]) -> Page {
    let content = html! {
        h1 { "The passkey is added" }
        @if !recovery_codes.is_empty() {
            p { "Keep these recovery codes where you find them without this device. Each is good "
                "once; they are not shown again." }
            ul #recovery-codes {
                @for code in recovery_codes {
                    li { code { (code.expose_secret()) } }
                }
            }
        }
        p { "You can close this page." }
    };
    Page::new("The passkey is added", content)
}
