//! The page after a form: it goes on by itself.
//!
//! A redirect would do, were it not that Chromium applies `form-action` to the whole chain of
//! redirects behind a form, which begins with the client's address and ends wherever that sends the
//! browser: no policy of ours could name it.

use maud::html;

use super::Page;

/// Goes on to `to`, at once and without a script; `what` is read by whoever has to click.
pub fn onward(what: &str, to: &str) -> Page {
    let content = html! {
        h1 { (what) }
        p { a .button href=(to) { "Continue" } }
    };
    Page { onward: Some(to.to_owned()), ..Page::new(what, content) }
}
