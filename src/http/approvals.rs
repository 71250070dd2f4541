//! `/api/v1/approvals`

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use super::list::{page, tagged, time};
use crate::approvals::{
    Approval, Awaiting, CancelApproval, DecideApproval, ListApprovals, ShowApproval, Verdict, shown,
};
use crate::authz::facts::ApprovalState;
use crate::authz::{Permit, Visible};
use crate::directory::Kind;
use crate::{App, Error, Result};

pub use super::approval_events::follow;

const REASON_CHARS_MAX: usize = 500;
/// How long whoever waits for a person should wait before looking again, in seconds.
pub const LOOK_AGAIN_SECONDS: u32 = 5;

/// Filters of the list, for the API document.
pub const FILTERS: &[(&str, &str)] = &[
    (
        "state",
        "`pending`, `approved`, `rejected`, `expired`, `consumed` or `cancelled`; all when left out.",
    ),
    ("tool", "Only those for this tool."),
    ("page_size", "1 to 200, 50 by default."),
    ("page_token", "`next_page_token` of the page before."),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    /// Why: at most 500 characters, which whoever asked can read.
    reason: Option<String>,
}

/// What a call is answered that waits for a person.
#[derive(Serialize, JsonSchema)]
pub struct AwaitingAnswer {
    /// The refusal.
    decision_id: Uuid,
    /// Send the same request again with its id as `approval_id` once it is approved.
    approval: ApprovalView,
}

#[derive(Serialize, JsonSchema)]
pub struct ApprovalView {
    pub id: Uuid,
    state: ApprovalState,
    /// The refusal that it is asked for.
    decision_id: Uuid,
    tool: ToolNamed,
    requested_by: Requester,
    /// The user in whose name an agent asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<Uuid>,
    /// With what the tool is to be called. Characters that would not be seen, or would deceive, are
    /// written as `\\u{…}`. Left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<Value>,
    /// False where the arguments are longer than what is shown of them. Left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments_complete: Option<bool>,
    /// SHA-256 over who asks and for whom, the tool, its definition, the canonical arguments and the
    /// scopes: what the approval is good for, and nothing else.
    digest: String,
    /// `low`, `medium`, `high` or `critical`.
    risk_level: String,
    /// US dollars.
    cost: f64,
    /// The policies that want a person to decide.
    policies: Vec<PolicyNamed>,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Until when it can be decided, or once it is approved, used.
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<Timestamp>,
    /// What the person who decided has to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The call that used it: its decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<Uuid>,
}

#[derive(Serialize, JsonSchema)]
pub struct ToolNamed {
    id: Uuid,
    name: String,
    digest: String,
}

#[derive(Serialize, JsonSchema)]
pub struct Requester {
    kind: Kind,
    id: Uuid,
    name: String,
}

#[derive(Serialize, JsonSchema)]
pub struct PolicyNamed {
    id: String,
    /// Missing where the policy is not in force any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
}

/// Where an approval is.
pub fn path(id: Uuid) -> String {
    format!("/api/v1/approvals/{id}")
}

/// What a call is answered that waits for a person.
pub fn awaiting(app: &App, it: &Awaiting) -> AwaitingAnswer {
    AwaitingAnswer { decision_id: it.decision_id, approval: whole(app, &it.approval) }
}

/// The same as an answer of its own.
pub fn awaited(app: &App, it: &Awaiting) -> Response {
    let body = awaiting(app, it);
    let path = path(it.approval.id);
    let mut response = json(&body).into_response();
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(LOOK_AGAIN_SECONDS));
    if let Ok(path) = HeaderValue::from_str(&path) {
        headers.insert(header::LOCATION, path);
    }
    response
}

pub fn parse_list(call: &Call) -> Result<ListApprovals> {
    let mut query = call.query();
    let list = ListApprovals {
        state: query.word("state"),
        tool: query.parsed("tool", "the id of a tool"),
        after: query.parsed("page_token", "a token from the page before"),
        page_size: query.page_size(),
    };
    query.end()?;
    Ok(list)
}

pub fn list(visible: &Visible<ListApprovals>) -> Response {
    page(visible, |it| view(it))
}

pub fn parse_show(call: &Call) -> Result<ShowApproval> {
    Ok(ShowApproval(call.id("approval")?))
}

pub async fn get(app: Arc<App>, permit: Permit<ShowApproval>) -> Result<Response> {
    Ok(one(&app, permit.resource()))
}

pub fn parse_approve(call: &Call) -> Result<DecideApproval> {
    parse_decision(call, Verdict::Approve)
}

pub fn parse_deny(call: &Call) -> Result<DecideApproval> {
    parse_decision(call, Verdict::Reject)
}

fn parse_decision(call: &Call, verdict: Verdict) -> Result<DecideApproval> {
    let reason = parse_reason(call)?;
    let if_match = call.if_match()?;
    Ok(DecideApproval { approval: call.id("approval")?, verdict, reason, if_match })
}

/// The reason in a body that may be left out.
fn parse_reason(call: &Call) -> Result<Option<String>> {
    if call.body.is_empty() {
        return Ok(None);
    }
    let reason = call.json::<DecisionBody>()?.reason;
    fit_reason("/reason", reason)
}

/// A text for other people: of one line, and not too long.
pub fn fit_reason(pointer: &str, reason: Option<String>) -> Result<Option<String>> {
    let unfit =
        |it: &String| it.chars().count() > REASON_CHARS_MAX || it.chars().any(char::is_control);
    match reason {
        Some(it) if unfit(&it) => Err(Error::field(
            pointer,
            format!("must be at most {REASON_CHARS_MAX} printable characters"),
        )),
        other => Ok(other.filter(|it| !it.is_empty())),
    }
}

pub async fn decide(app: Arc<App>, permit: Permit<DecideApproval>) -> Result<Response> {
    let approval = app.approvals.decide(permit).await?;
    Ok(one(&app, &approval))
}

pub fn parse_cancel(call: &Call) -> Result<CancelApproval> {
    Ok(CancelApproval { approval: call.id("approval")?, reason: parse_reason(call)? })
}

pub async fn cancel(app: Arc<App>, permit: Permit<CancelApproval>) -> Result<Response> {
    let approval = app.approvals.cancel(permit).await?;
    Ok(one(&app, &approval))
}

fn one(app: &App, approval: &Approval) -> Response {
    tagged(&whole(app, approval), approval.revision, StatusCode::OK)
}

/// With the arguments, and what the policies are called.
pub fn whole(app: &App, it: &Approval) -> ApprovalView {
    let bundle = app.authz.bundle();
    let arguments = shown(&it.arguments);
    let titled = |it: PolicyNamed| {
        let title = bundle.meta(&it.id).map(|it| it.title.clone());
        PolicyNamed { title, ..it }
    };
    let view = view(it);
    ApprovalView {
        arguments: Some(arguments.arguments),
        arguments_complete: Some(arguments.is_complete),
        policies: view.policies.into_iter().map(titled).collect(),
        ..view
    }
}

pub fn view(it: &Approval) -> ApprovalView {
    let named = |id: &String| PolicyNamed { id: id.clone(), title: None };
    ApprovalView {
        id: it.id,
        state: it.state,
        decision_id: it.decision_id,
        tool: ToolNamed {
            id: it.tool_id,
            name: it.tool_name.clone(),
            digest: it.tool_digest.clone(),
        },
        requested_by: Requester {
            kind: it.principal_kind,
            id: it.principal_id,
            name: it.principal_name.clone(),
        },
        on_behalf_of: it.on_behalf_of,
        arguments: None,
        arguments_complete: None,
        digest: it.digest.clone(),
        risk_level: it.risk.clone(),
        cost: it.cost_micros as f64 / 1e6,
        policies: it.reasons.iter().map(named).collect(),
        created_at: time(it.created_at),
        updated_at: time(it.updated_at),
        expires_at: time(it.expires_at),
        decided_by: it.decided_by,
        decided_at: it.decided_at.map(time),
        reason: it.reason.clone(),
        call_id: it.call_id,
    }
}
