//! What a person sees who has signed in for nothing else.

use maud::html;

use super::passkey::BEGIN_PATH;
use super::{Page, hidden};

/// Tells who is signed in. `passkey` and `sign_out` are the hidden fields of the forms that add one
/// and that end it.
pub fn account(username: &str, passkey: &[(&str, &str)], sign_out: &[(&str, &str)]) -> Page {
    let content = html! {
        h1 { "Signed in" }
        p { "You are signed in as " strong { (username) } "." }
        form #add-passkey method="post" action=(BEGIN_PATH) {
            (hidden(passkey))
            label for="name" { "Name of a new passkey" }
            input #name name="name" type="text" required maxlength="64" value="passkey";
            button .second type="submit" { "Add a passkey" }
        }
        form #sign-out method="post" action="/oauth/sign-out" {
            (hidden(sign_out))
            button type="submit" { "Sign out" }
        }
    };
    Page::new("Signed in", content)
}
