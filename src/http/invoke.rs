//! `POST /api/v1/tools/{tool}/invoke`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;
use warp::reply::{Reply as _, Response, json};

use super::approvals;
use super::call::Call;
use super::route::Answer;
use crate::approvals::{Awaiting, Instead};
use crate::authn::Caller;
use crate::authz::Permit;
use crate::credentials::ToolRef;
use crate::gateway::{Along, InvokeTool, Invoked};
use crate::{App, Error, Result};

const KEY_CHARS_MAX: usize = 255;
pub const TRACE_CHARS_MAX: usize = 256;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvokeBody {
    /// As the tool's `input_schema` describes them.
    arguments: Value,
    /// That a person wants the effects that the call has.
    #[serde(default)]
    confirm_consequential: bool,
    /// For agents: the id of the user to act for, by the newest mandate that holds.
    on_behalf_of: Option<Uuid>,
    /// The approval that a person gave for this very call, which uses it up.
    approval_id: Option<Uuid>,
}

#[derive(Serialize, JsonSchema)]
pub struct InvokeAnswer {
    decision_id: Uuid,
    /// What the tool answered: of an HTTP tool `status` and `body`, of a remote tool what MCP calls
    /// its result.
    result: Value,
    /// Whether the tool ran and says itself that it failed.
    is_error: bool,
    /// US dollars.
    cost: f64,
    usage: UsageView,
}

/// What the caller has used of this tool, this call included; the cost is over all tools.
#[derive(Serialize, JsonSchema)]
pub struct UsageView {
    calls_last_minute: u64,
    calls_today: u64,
    cost_today: f64,
}

pub fn parse_invoke(call: &Call) -> Result<InvokeTool> {
    let body: InvokeBody = call.json()?;
    if !body.arguments.is_object() {
        return Err(Error::field("/arguments", "must be an object"));
    }
    Ok(InvokeTool {
        confirmed: body.confirm_consequential,
        idempotency_key: idempotency_key(call)?,
        along: Along { trace: trace(call), ..Along::default() },
        on_behalf_of: body.on_behalf_of,
        approval_id: body.approval_id,
        presented: call.presented.clone(),
        ..InvokeTool::new(ToolRef::Id(call.id("tool")?), body.arguments)
    })
}

/// The distributed trace that a request goes on.
pub fn trace(call: &Call) -> Option<String> {
    call.header("traceparent").filter(|it| it.len() <= TRACE_CHARS_MAX)
}

/// The header that makes sending a request again harmless.
///
/// # Errors
/// A key that is empty, too long, or given twice.
pub fn idempotency_key(call: &Call) -> Result<Option<String>> {
    if !call.headers.contains_key("idempotency-key") {
        return Ok(None);
    }
    let bad = || {
        Error::Malformed(format!(
            "`Idempotency-Key` must be 1 to {KEY_CHARS_MAX} visible characters"
        ))
    };
    let key = call.header("idempotency-key").filter(|it| is_idempotency_key(it));
    key.map(Some).ok_or_else(bad)
}

/// Whether a text can make sending a request again harmless.
pub fn is_idempotency_key(text: &str) -> bool {
    (1..=KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic())
}

pub async fn invoke(app: Arc<App>, permit: Permit<InvokeTool>) -> Result<Response> {
    let invoked = Box::pin(app.gateway.invoke(permit)).await?;
    Ok(json(&answer(invoked)).into_response())
}

/// A call that is refused for want of a person's yes waits for it.
pub fn instead(app: Arc<App>, caller: Caller, call: InvokeTool, refused: Error) -> Answer {
    Box::pin(async move {
        match Box::pin(app.instead(caller, call, refused)).await? {
            Instead::Answered(invoked) => Ok(json(&answer(*invoked)).into_response()),
            Instead::Awaiting(it) => Ok(approvals::awaited(&app, &it)),
        }
    })
}

/// What a call came to.
pub enum Decided {
    Made(Box<Invoked>),
    /// A person is asked.
    Awaiting(Awaiting),
}

/// Decides on a call and makes it, for those who find out in a body what is asked.
///
/// # Errors
/// What a guarded route would answer.
pub async fn decided(app: &App, caller: Caller, action: InvokeTool) -> Result<Decided> {
    let permit = match Box::pin(app.authz.authorize(caller.clone(), action.clone())).await {
        Ok(permit) => permit,
        Err(refused) => {
            return Ok(match Box::pin(app.instead(caller, action, refused)).await? {
                Instead::Answered(invoked) => Decided::Made(invoked),
                Instead::Awaiting(it) => Decided::Awaiting(it),
            });
        }
    };
    let record = permit.warrant().record().clone();
    let invoked = app.authz.settled(&record, Box::pin(app.gateway.invoke(permit))).await?;
    Ok(Decided::Made(Box::new(invoked)))
}

pub fn answer(it: Invoked) -> InvokeAnswer {
    let dollars = |micros: f64| micros / 1e6;
    InvokeAnswer {
        decision_id: it.decision_id,
        result: it.answered.result,
        is_error: it.answered.is_error,
        cost: dollars(it.cost_micros as f64),
        usage: UsageView {
            calls_last_minute: it.used.calls_last_minute,
            calls_today: it.used.calls_today,
            cost_today: dollars(it.used.cost_today_micros as f64),
        },
    }
}
