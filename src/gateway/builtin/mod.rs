//! The tools that this server runs itself.

mod lines;
mod llm;
pub mod sandbox;
mod web_search;

use http::StatusCode;
use serde_json::Value;
use url::Url;

use super::Gateway;
use super::failure::{Failure, FailureKind};
use super::upstream::{Answered, Outgoing};
use crate::authz::Warrant;
use crate::net::outbound::Answer;
use crate::registry::Builtin;
use crate::secrets::Scrubber;
use crate::settings;

pub use llm::Llm;
pub use web_search::Engine;

/// What the operator set up for them.
#[derive(Debug, Default)]
pub struct Builtins {
    llm: Option<Llm>,
    search: Option<Engine>,
}

impl Builtins {
    pub fn of(settings: &settings::Gateway) -> Builtins {
        Builtins { llm: Llm::of(settings), search: Engine::of(settings) }
    }
}

impl Gateway {
    /// Runs one of our own tools.
    pub(super) async fn call_builtin(
        &self,
        warrant: &Warrant,
        builtin: Builtin,
        outgoing: &Outgoing<'_>,
    ) -> Result<Answered, Failure> {
        match builtin {
            Builtin::Llm => self.ask_model(warrant, outgoing).await,
            Builtin::WebSearch => self.search_web(warrant, outgoing).await,
            Builtin::SandboxPython => self.sandbox.call(warrant, outgoing).await,
        }
    }
}

/// A tool that nobody has set up.
fn unset(detail: &str) -> Failure {
    Failure::unsent(FailureKind::NotReady, detail)
}

/// An argument that the schema promises.
fn argument<'a>(arguments: &'a Value, name: &str) -> &'a str {
    arguments.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The URL of a service with a path behind it.
fn behind(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

/// What an answer that is no result comes to.
fn refused(who: &str, answer: &Answer, scrubber: &Scrubber) -> Failure {
    let detail = match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            format!("{who} answered {}: set the tool's secret `api_key`", answer.status)
        }
        status if status.is_redirection() => {
            format!("{who} answered {status}; redirects are not followed")
        }
        status => format!("{who} answered {status}"),
    };
    let said = serde_json::from_slice(&answer.body).ok();
    scrubbed(Failure { said, ..Failure::new(FailureKind::Refused, detail) }, scrubber)
}

/// A failure that repeats none of the secrets that were sent.
fn scrubbed(mut failure: Failure, scrubber: &Scrubber) -> Failure {
    failure.said.iter_mut().for_each(|it| scrubber.json(it));
    failure
}

/// What an answer that nobody can read comes to.
fn unreadable(who: &str) -> Failure {
    Failure::new(FailureKind::Refused, format!("{who} answered with something unreadable"))
}
