//! `/access/v1/requests`: the OpenID AuthZEN Access Request and Approval Profile, Draft 1, as a second
//! door to approvals. A task is an approval; what completes it is asking for the call again with it.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::Response;

use super::approvals::{LOOK_AGAIN_SECONDS, fit_reason};
use super::call::Call;
use super::invoke::idempotency_key;
use super::list::{tagged, time};
use super::route::settle;
use crate::approvals::access_request::{Fault, Submission};
use crate::approvals::{Approval, CancelApproval, Instead, RequestKey, ShowApproval};
use crate::audit::Outcome;
use crate::authn::Caller;
use crate::authz::facts::ApprovalState;
use crate::queries::Names;
use crate::queries::model::{Named, Verb};
use crate::{App, Error, Result};

const PATH: &str = "/access/v1/requests";
/// The type of resource that access is requested to.
const TOOL: &str = "tool";

/// A request for access. Members that are not known here are passed over, as the profile wants it.
#[derive(Deserialize, JsonSchema)]
pub struct SubmissionBody {
    /// `user` or `agent`.
    subject: Named,
    /// `tool`.
    resource: Named,
    /// `invoke`.
    action: Verb,
    #[serde(default)]
    context: ContextBody,
    denial: DenialBody,
    /// Several in one are not taken; send one request for each.
    #[schemars(skip)]
    items: Option<Value>,
}

/// What the call was refused with.
#[derive(Default, Deserialize, JsonSchema)]
pub struct ContextBody {
    #[serde(default)]
    arguments: Map<String, Value>,
    #[serde(default)]
    confirm_consequential: bool,
}

/// The refusal.
#[derive(Deserialize, JsonSchema)]
pub struct DenialBody {
    /// The `decision_id` of the refusal.
    evaluation_id: Uuid,
    /// Until when it can be requested; ten minutes after the refusal, whatever stands here.
    #[expect(dead_code, reason = "required of the sender, and never believed")]
    expires_at: Timestamp,
}

#[derive(Default, Deserialize, JsonSchema)]
pub struct CancellationBody {
    /// A code that machines read.
    reason: Option<String>,
    /// What people read.
    comment: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct TaskAnswer {
    task: Task,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<TaskResult>,
}

#[derive(Serialize, JsonSchema)]
pub struct Task {
    id: Uuid,
    /// `pending`, `approved`, `denied`, `expired` or `cancelled`.
    status: &'static str,
    status_endpoint: String,
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<Links>,
}

#[derive(Serialize, JsonSchema)]
pub struct Links {
    cancel: String,
}

#[derive(Serialize, JsonSchema)]
pub struct TaskResult {
    /// `reevaluate`: send the call again with the approval's id as `approval_id`.
    mode: &'static str,
    approval: ApprovalGiven,
}

#[derive(Serialize, JsonSchema)]
pub struct ApprovalGiven {
    id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_at: Option<Timestamp>,
    approved_until: Timestamp,
}

/// The refusal is looked up, the call asked for again, and what it lacks then requested.
pub async fn create(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let whole: Value = call.json()?;
    let submission = submission(&app, call.json()?)?;
    let key = idempotency_key(&call)?.map(|key| RequestKey::new(&caller, &key, &whole));
    if let Some(key) = &key
        && let Some(known) = app.approvals.under_key(key).await?
    {
        return show(&app, caller, known, StatusCode::ACCEPTED).await;
    }
    let asked = app.approvals.refused_call(&caller, &submission).await?;
    let refused = match app.authz.authorize(caller.clone(), asked.clone()).await {
        Err(refused) => refused,
        Ok(permit) => {
            settle(&app, permit.warrant(), Outcome::Failed).await?;
            return Err(Error::AccessRequest(Fault::NotRequestable));
        }
    };
    match app.instead_under(key, caller, asked, refused).await {
        Ok(Instead::Awaiting(it)) => Ok(answer(&app, &it.approval, StatusCode::ACCEPTED)),
        Ok(Instead::Answered(_)) | Err(Error::Denied(_) | Error::QuotaExceeded(_)) => {
            Err(Error::AccessRequest(Fault::NotRequestable))
        }
        Err(error) => Err(error),
    }
}

fn submission(app: &App, body: SubmissionBody) -> Result<Submission> {
    if body.items.is_some() {
        return Err(Error::field("/items", "is not taken here: send one request for each"));
    }
    if body.resource.kind != TOOL {
        return Err(Error::field("/resource/type", format!("must be `{TOOL}`")));
    }
    // What is not there is refused like what was not refused.
    let tool = Names::new(app.authz.bundle(), app.authz.world()).tool(&body.resource.id);
    Ok(Submission {
        subject: (body.subject.kind, body.subject.id),
        tool: tool.map_or(Uuid::nil(), |it| it.id),
        action: body.action.name,
        arguments: Value::Object(body.context.arguments),
        confirmed: body.context.confirm_consequential,
        evaluation_id: body.denial.evaluation_id,
    })
}

pub async fn get(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let id = call.id("approval").map_err(unknown)?;
    show(&app, caller, id, StatusCode::OK).await
}

async fn show(app: &App, caller: Caller, id: Uuid, status: StatusCode) -> Result<Response> {
    let permit = app.authz.authorize(caller, ShowApproval(id)).await.map_err(unknown)?;
    settle(app, permit.warrant(), Outcome::Success).await?;
    Ok(answer(app, permit.resource(), status))
}

pub async fn cancel(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let body = match call.body.is_empty() {
        true => CancellationBody::default(),
        false => call.json()?,
    };
    let (code, comment) =
        (fit_reason("/reason", body.reason)?, fit_reason("/comment", body.comment)?);
    let reason = comment.or(code);
    let approval = call.id("approval").map_err(unknown)?;
    let action = CancelApproval { approval, reason };
    let permit = app.authz.authorize(caller, action).await.map_err(ended)?;
    let record = permit.warrant().record().clone();
    let cancelled = app.authz.settled(&record, app.approvals.cancel(permit)).await;
    Ok(answer(&app, &*cancelled.map_err(ended)?, StatusCode::OK))
}

fn unknown(error: Error) -> Error {
    match error {
        Error::NotFound => Error::AccessRequest(Fault::UnknownTask),
        other => other,
    }
}

fn ended(error: Error) -> Error {
    match error {
        Error::Conflict(_) => Error::AccessRequest(Fault::InvalidTaskState),
        other => unknown(other),
    }
}

/// An approval as a task. Once it is approved it stays so, whatever becomes of the yes.
fn answer(app: &App, it: &Approval, status: StatusCode) -> Response {
    let status_endpoint = format!("{}{PATH}/{}", app.approvals.public_url(), it.id);
    let pending = it.state == ApprovalState::Pending;
    let links = pending.then(|| Links { cancel: format!("{status_endpoint}/cancel") });
    let approved = it.was_approved();
    let result = approved.then(|| TaskResult {
        mode: "reevaluate",
        approval: ApprovalGiven {
            id: it.id,
            approved_at: it.decided_at.map(time),
            approved_until: time(it.expires_at),
        },
    });
    let word = match it.state {
        _ if approved => "approved",
        ApprovalState::Pending => "pending",
        ApprovalState::Rejected => "denied",
        ApprovalState::Cancelled => "cancelled",
        ApprovalState::Approved | ApprovalState::Consumed | ApprovalState::Expired => "expired",
    };
    let expires_at = time(it.expires_at);
    let task = Task { id: it.id, status: word, status_endpoint, expires_at, links };
    // What was decided at once needs no second look.
    let status = match status {
        StatusCode::ACCEPTED if !pending => StatusCode::CREATED,
        other => other,
    };
    let location = task.status_endpoint.clone();
    let mut response = tagged(&TaskAnswer { task, result }, it.revision, status);
    let headers = response.headers_mut();
    if let (true, Ok(it)) = (status != StatusCode::OK, HeaderValue::from_str(&location)) {
        headers.insert(header::LOCATION, it);
    }
    if pending {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(LOOK_AGAIN_SECONDS));
    }
    response
}
