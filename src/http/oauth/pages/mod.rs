//! Pages for people: plain HTML that works without a script, cannot be framed, loads nothing from
//! elsewhere and is kept by no cache.

mod account;
mod consent;
mod notice;
mod onward;
pub mod passkey;
mod sign_in;

use std::sync::Arc;

use maud::{DOCTYPE, Markup, html};
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::{Reply as _, Response};

use super::super::call::Call;
use super::super::problem;
use crate::{App, Error, Result};

pub use account::account;
pub use consent::{Asked, Consent, name};
pub use notice::notice;
pub use onward::onward;
pub use sign_in::{SecondFactor, SignIn};

const STYLE: &str = include_str!("style.css");
const STYLE_PATH: &str = "/oauth/style.css";
const STYLE_FRESH: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// Forms end here and nowhere else. Chromium holds every redirect that follows a form against this,
/// so no form is answered with a redirect: see [`onward`].
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";
/// The same, with our own scripts.
const POLICY_WITH_SCRIPT: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
                                  form-action 'self'; frame-ancestors 'none'; base-uri 'none'; \
                                  script-src 'self'; connect-src 'self'";

/// A page that is about to be answered with.
pub struct Page {
    title: String,
    status: StatusCode,
    content: Markup,
    /// A script of ours that makes the page more convenient, by its path.
    script: Option<&'static str>,
    /// Where the page goes on to by itself.
    onward: Option<String>,
}

impl Page {
    pub fn new(title: impl Into<String>, content: Markup) -> Page {
        let (title, status) = (title.into(), StatusCode::OK);
        Page { title, status, content, script: None, onward: None }
    }

    pub fn with_status(mut self, status: StatusCode) -> Page {
        self.status = status;
        self
    }

    /// Adds a script of ours; the page must do without it, too.
    pub fn with_script(mut self, path: &'static str) -> Page {
        self.script = Some(path);
        self
    }

    pub fn respond(self) -> Response {
        let policy = if self.script.is_some() { POLICY_WITH_SCRIPT } else { POLICY };
        let mut response = self.render().into_string().into_response();
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            // With `no-referrer` browsers would send our own forms from `Origin: null`.
            (header::REFERRER_POLICY, "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    fn render(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    @if let Some(to) = &self.onward {
                        meta http-equiv="refresh" content={ "0; url=" (to) };
                    }
                    title { (self.title) " · Gatewright" }
                    link rel="stylesheet" href=(STYLE_PATH);
                    @if let Some(path) = self.script {
                        script src=(path) defer {}
                    }
                }
                body {
                    header { p { "Gatewright" } }
                    main { (self.content) }
                }
            }
        }
    }
}

/// What went wrong with the form that was sent, at the top of the page and read out first.
pub fn fault(text: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = text {
            p #fault .fault role="alert" { (text) }
        }
    }
}

/// The fields of a form that nobody sees: what keeps other sites from sending it, and the request
/// that it goes on with.
pub fn hidden(fields: &[(&str, &str)]) -> Markup {
    html! {
        @for (name, value) in fields {
            input type="hidden" name=(name) value=(value);
        }
    }
}

/// An error as a page.
pub fn failure(error: Error, request_id: &str) -> Response {
    problem::log(&error, request_id);
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = match &error {
        Error::Denied(denial) | Error::RiskBlocked(denial, _) => denial.detail.clone(),
        Error::Invalid(faults) => {
            let told = faults.iter().map(|it| {
                let field = it.pointer.trim_start_matches(['/', '?']);
                sentence(&format!("{field} {}", it.detail))
            });
            told.collect::<Vec<_>>().join(" ")
        }
        other => sentence(&other.to_string()),
    };
    notice(status, error.title(), &text, request_id).respond()
}

/// Goes to `location` with a `GET`; none where that fits no header.
pub fn redirect(location: &str) -> Option<Response> {
    let location = HeaderValue::from_str(location).ok()?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Some(response)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(letters).chain(['.']).collect()
}

pub async fn style(_: Arc<App>, _: Call) -> Result<Response> {
    let mut response = STYLE.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, STYLE_FRESH);
    Ok(response)
}
