//! What a person sees who has signed in for nothing else.

use maud::html;

use super::{Page, hidden};

/// Tells who is signed in; `sign_out` are the hidden fields of the form that ends it.
pub fn account(username: &str, sign_out: &[(&str, &str)]) -> Page {
    let content = html! {
        h1 { "Signed in" }
        p { "You are signed in as " strong { (username) } "." }
        form method="post" action="/oauth/sign-out" {
            (hidden(sign_out))
            button type="submit" { "Sign out" }
        }
    };
    Page::new("Signed in", content)
}
