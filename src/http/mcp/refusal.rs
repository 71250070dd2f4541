//! Refusals and failures as MCP has them: with the same facts as a problem document.
//!
//! What a model can read and mend is a result that says `isError`. What is wrong with the request
//! itself is an error of JSON-RPC.

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, ErrorCode, MetaObject};
use serde_json::Value;
use warp::http::HeaderValue;

use super::super::problem::{Problem, document, insufficient_scope};
use crate::Error;
use crate::authn::Caller;

const DECISION: &str = "gatewright/decision_id";

/// How a client is told.
pub enum Refusal {
    Result(Box<CallToolResult>),
    Error(ErrorData),
    /// The client can ask its person for the scopes that this challenge names.
    StepUp(HeaderValue, ErrorData),
}

/// How to tell `caller` of this error.
pub fn refusal(error: Error, caller: &Caller, request_id: &str) -> Refusal {
    let challenge = step_up(&error, caller);
    let kind = Kind::of(&error);
    let problem = document(error, request_id);
    let said = serde_json::to_value(&problem).ok();
    match (challenge, kind) {
        (Some(challenge), _) => {
            let error = ErrorData::new(ErrorCode::INVALID_REQUEST, problem.detail, said);
            Refusal::StepUp(challenge, error)
        }
        (None, Kind::Unknown) => Refusal::Error(ErrorData::invalid_params(problem.detail, said)),
        (None, Kind::Broken) => Refusal::Error(ErrorData::internal_error(problem.title, said)),
        (None, Kind::Told) => Refusal::Result(Box::new(result(&problem, said))),
    }
}

/// Who has to read it.
enum Kind {
    /// The client: the request names what is not there, or cannot be read.
    Unknown,
    /// Whoever runs this server.
    Broken,
    /// The model, or its person.
    Told,
}

impl Kind {
    fn of(error: &Error) -> Kind {
        match error {
            Error::NotFound | Error::Malformed(_) => Kind::Unknown,
            Error::Internal(_) => Kind::Broken,
            _ => Kind::Told,
        }
    }
}

/// A challenge helps where an OAuth client holds the token: others cannot get another one by asking.
fn step_up(error: &Error, caller: &Caller) -> Option<HeaderValue> {
    let Error::Denied(denial) = error else { return None };
    caller.session().proof.client.as_ref()?;
    HeaderValue::from_str(&insufficient_scope(denial)?).ok()
}

fn result(problem: &Problem, said: Option<Value>) -> CallToolResult {
    let mut text = format!("{}: {}", problem.title, problem.detail);
    for fault in problem.errors.iter().flatten() {
        text.push_str(&format!("\n- `{}` {}", fault.pointer, fault.detail));
    }
    for fix in problem.fix.iter().flatten() {
        text.push_str(&format!("\n- {}: {}", fix.kind, fix.detail));
    }
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.structured_content = said;
    if let Some(id) = &problem.decision_id {
        let mut meta = MetaObject::new();
        meta.0.insert(DECISION.to_owned(), id.as_str().into());
        result.meta = Some(meta);
    }
    result
}
