//! Whether a request for access is bound to a refusal that was made here (OpenID AuthZEN Access
//! Request and Approval Profile, Draft 1).

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Approvals;
use crate::audit::{Decision, Entry};
use crate::authn::Caller;
use crate::authz::Action as _;
use crate::authz::facts::{Call, Facts, Particulars};
use crate::credentials::ToolRef;
use crate::exact::exact_bytes;
use crate::gateway::InvokeTool;
use crate::store::Statement;
use crate::{Error, Result};

/// For how long access can be requested after it was refused: microseconds.
pub const WINDOW: i64 = 10 * 60 * 1_000_000;
/// How long a key stands for its request.
const KEY_KEPT: i64 = 8 * 24 * 3_600 * 1_000_000;

/// What is wrong with a request for access, in the profile's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    NotRequestable,
    ExpiredDenial,
    InvalidDenialBinding,
    DuplicateRequest,
    UnknownTask,
    InvalidTaskState,
}

impl Fault {
    /// What the type of the problem ends with.
    pub fn code(self) -> &'static str {
        match self {
            Fault::NotRequestable => "not_requestable",
            Fault::ExpiredDenial => "expired_denial",
            Fault::InvalidDenialBinding => "invalid_denial_binding",
            Fault::DuplicateRequest => "duplicate_request",
            Fault::UnknownTask => "unknown_task",
            Fault::InvalidTaskState => "invalid_task_state",
        }
    }

    /// The type of the problem (RFC 9457).
    pub fn kind(self) -> String {
        format!("urn:openid:authzen:access-request:error:{}", self.code())
    }

    pub fn status(self) -> u16 {
        match self {
            Fault::NotRequestable | Fault::InvalidDenialBinding => 400,
            Fault::UnknownTask => 404,
            Fault::DuplicateRequest | Fault::InvalidTaskState => 409,
            Fault::ExpiredDenial => 410,
        }
    }

    pub fn detail(self) -> &'static str {
        match self {
            Fault::NotRequestable => "a person's yes is not what this access lacks, or not all",
            Fault::ExpiredDenial => "the refusal is too old; ask for the access again",
            Fault::InvalidDenialBinding => {
                "`denial.evaluation_id` is not that of a refusal of exactly this access to you"
            }
            Fault::DuplicateRequest => "this `Idempotency-Key` was used for another request",
            Fault::UnknownTask => "there is no such task, or you may not see it",
            Fault::InvalidTaskState => "the task has ended already",
        }
    }
}

/// What is requested, as its sender puts it.
#[derive(Debug)]
pub struct Submission {
    /// `user` or `agent`, and an id.
    pub subject: (String, String),
    pub tool: Uuid,
    pub action: String,
    pub arguments: Value,
    pub confirmed: bool,
    /// The refusal.
    pub evaluation_id: Uuid,
}

/// An idempotency key, of one caller, and what it was sent with.
#[derive(Clone, Debug)]
pub struct RequestKey {
    key: String,
    body: String,
}

impl RequestKey {
    /// `body` is compared as canonical JSON (RFC 8785).
    pub fn new(caller: &Caller, key: &str, body: &Value) -> RequestKey {
        let hash = |parts: [&[u8]; 2]| {
            let mut hash = Sha256::new();
            parts.iter().for_each(|it| hash.update(it));
            hex::encode(hash.finalize())
        };
        let canonical = exact_bytes(body);
        RequestKey {
            key: hash([caller.principal().id().as_bytes(), key.as_bytes()]),
            body: hash([&canonical, b""]),
        }
    }

    /// Writes down what the key stands for.
    pub(super) fn statement(&self, approval: Uuid, now: i64) -> Statement {
        Statement::new(
            "INSERT INTO access_requests (request_key, body, approval_id, expires_at)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(self.key.as_str())
        .bind(self.body.as_str())
        .bind(approval)
        .bind(now.saturating_add(KEY_KEPT))
        .expect_rows(1)
    }
}

impl Approvals {
    /// The approval that an earlier request of the same key and body has.
    ///
    /// # Errors
    /// [`Fault::DuplicateRequest`] where the key was used with another body.
    pub async fn under_key(&self, key: &RequestKey) -> Result<Option<Uuid>> {
        let rows = self
            .db
            .query(
                "SELECT body, approval_id FROM access_requests
                 WHERE request_key = $1 AND expires_at > $2",
                vec![key.key.as_str().into(), self.clock.micros().into()],
            )
            .await?;
        match rows.first() {
            Some(row) if row.text(0)? == key.body => Ok(Some(row.uuid(1)?)),
            Some(_) => Err(Error::AccessRequest(Fault::DuplicateRequest)),
            None => Ok(None),
        }
    }

    /// The call that was refused, if it is the one that the submission speaks of, and the caller
    /// was the one who asked for it a short while ago.
    ///
    /// # Errors
    /// [`Fault::InvalidDenialBinding`], [`Fault::ExpiredDenial`].
    pub async fn refused_call(&self, caller: &Caller, it: &Submission) -> Result<InvokeTool> {
        let unbound = || Error::AccessRequest(Fault::InvalidDenialBinding);
        let rows = self
            .db
            .query("SELECT body FROM audit WHERE id = $1", vec![it.evaluation_id.into()])
            .await?;
        let entry: Entry = rows.first().ok_or_else(unbound)?.json(0)?;
        let call = call_of(&entry).ok_or_else(unbound)?;
        let behalf = entry.details.get("on_behalf_of").and_then(Value::as_str);
        let actor = (entry.actor.kind.as_str(), entry.actor.id.as_str());
        let subject = (it.subject.0.as_str(), it.subject.1.as_str());
        let bound = entry.actor.id == caller.principal().id().to_string()
            && (subject == actor || behalf.is_some_and(|user| subject == ("user", user)))
            && it.action == InvokeTool::NAME
            && entry.target.id == it.tool.to_string()
            && call.arguments == it.arguments
            && call.confirmed == it.confirmed;
        if !bound {
            return Err(unbound());
        }
        if entry.at.as_microsecond().saturating_add(WINDOW) <= self.clock.micros() {
            return Err(Error::AccessRequest(Fault::ExpiredDenial));
        }
        // What the token says itself need not be asked for.
        let asked = behalf.filter(|_| caller.session().proof.delegation.is_none());
        Ok(InvokeTool {
            confirmed: it.confirmed,
            on_behalf_of: asked.and_then(|it| it.parse().ok()),
            ..InvokeTool::new(ToolRef::Id(it.tool), it.arguments.clone())
        })
    }
}

/// The call that an entry says was refused.
fn call_of(entry: &Entry) -> Option<Call> {
    if entry.event != InvokeTool::EVENT || entry.decision != Decision::Deny {
        return None;
    }
    let facts: Facts = serde_json::from_str(entry.facts.as_ref()?.get()).ok()?;
    match facts.particulars {
        Particulars::Call { call, .. } => Some(*call),
        _ => None,
    }
}
