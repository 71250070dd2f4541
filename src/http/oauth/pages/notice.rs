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
