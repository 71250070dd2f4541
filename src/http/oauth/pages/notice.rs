//! A page that says one thing: mostly, why it does not go on.

use maud::html;
use warp::http::StatusCode;

use super::Page;

/// Says `text` under `title`. `reference` is what an administrator finds the event by.
pub fn notice(status: StatusCode, title: &str, text: &str, reference: &str) -> Page {
    let content = html! {
        h1 { (title) }
        p { (text) }
        @if !reference.is_empty() {
            p .quiet { "Reference: " code { (reference) } }
        }
    };
    Page::new(title, content).with_status(status)
}

/// Sends somebody who has no second factor, and needs one, to where it is added.
pub fn factor_first(client: &str) -> Page {
    let content = html! {
        h1 { "Add a second factor first" }
        p { "You sign in from a place or with a program that is not known here yet. Before "
            strong { (client) } " can act in your name you need a second factor." }
        p { a .button href="/oauth/account" { "Go to your account" } }
        p .quiet { "Then begin again in " (client) "." }
    };
    Page::new("Add a second factor first", content).with_status(StatusCode::FORBIDDEN)
}
