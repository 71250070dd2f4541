//! One entry: who asked what, how it was decided and how it ended.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::authz::case::Recorded;

/// What is written down. Its JSON is the leaf of the tree, byte for byte.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The decision's id.
    pub id: Uuid,
    pub at: Timestamp,
    /// What happened in the API's words: `tool.create`, `auth.login`.
    pub event: String,
    /// The Cedar action that was decided, when Cedar was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    pub actor: Actor,
    pub target: Target,
    pub decision: Decision,
    pub outcome: Outcome,
    /// The ids of the policies that decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// What went wrong while deciding; any such error denies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// The digest of the bundle that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Origin>,
    /// Principal, action, resource and their entities as they were: with `facts`, what the decision
    /// was made on. Listings, which are many decisions in one entry, have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Recorded>,
    /// What Cedar was told besides principal, action and resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<Box<serde_json::value::RawValue>>,
    /// What the act itself has to say: names and ids, never a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Actor {
    /// `user`, `agent`, `anonymous` or `system`.
    pub kind: String,
    pub id: String,
    pub name: String,
}

impl Actor {
    pub fn system(task: &str) -> Actor {
        Actor { kind: "system".into(), id: "system".into(), name: task.into() }
    }

    /// Somebody who did not prove who they are; `claimed` is what they said.
    pub fn anonymous(claimed: &str) -> Actor {
        Actor { kind: "anonymous".into(), id: "anonymous".into(), name: claimed.into() }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    pub kind: String,
    pub id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// Where a request came from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Origin {
    pub id: String,
    pub ip: IpAddr,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user_agent: String,
    pub method: String,
    /// The path's template: bounded, and free of what callers type.
    pub route: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Allow,
    Deny,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Allowed and done.
    Success,
    /// Refused, by policy or for want of proof.
    Denied,
    /// Allowed, and undone because another change came first or the name is taken.
    Conflict,
    /// Allowed, and not done for a reason of its own.
    Failed,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Denied => "denied",
            Outcome::Conflict => "conflict",
            Outcome::Failed => "failed",
        }
    }
}
