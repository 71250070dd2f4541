//! A person's yes or no to one concrete request.

use std::collections::{BTreeSet, HashMap, HashSet};

use anyhow::Result;
use cedar_policy::Entity;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::express::{entities, entity, instant, text};
use crate::authz::uid::{Kind, uid};

/// An approval, bound to one request by its digest. It is a fact of the call it allows, and the
/// resource of the decision that gives it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    pub id: String,
    pub state: ApprovalState,
    /// Id of the agent that asks, if an agent does.
    pub agent: Option<String>,
    /// Id of the user who asks, or is acted for.
    pub user: Option<String>,
    /// Ids of the agents that the call passes through, the one that asks among them.
    #[serde(default)]
    pub chain: BTreeSet<String>,
    /// Ids of the users on whose side it is asked.
    #[serde(default)]
    pub parties: BTreeSet<String>,
    pub tool: String,
    /// Over principal, action, tool version, canonical arguments and scopes.
    pub digest: String,
    /// Ids of the users who said yes.
    pub approved_by: BTreeSet<String>,
    pub expires_at: Timestamp,
    /// Id of the tool's owner, kept here because policies look one step far.
    pub tool_owner: String,
}

/// How far an approval has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    Pending,
    Approved,
    Rejected,
    Expired,
    Consumed,
    Cancelled,
}

impl Approval {
    /// The approval as Cedar sees it.
    ///
    /// # Errors
    /// An instant outside the years that Cedar knows.
    pub fn entity(&self) -> Result<Entity> {
        let mut attributes = HashMap::from([
            ("state".to_owned(), entity(Kind::ApprovalState, self.state.as_str())),
            ("chain".to_owned(), entities(Kind::Agent, &self.chain)),
            ("parties".to_owned(), entities(Kind::User, &self.parties)),
            ("tool".to_owned(), entity(Kind::Tool, &self.tool)),
            ("digest".to_owned(), text(&self.digest)),
            ("approved_by".to_owned(), entities(Kind::User, &self.approved_by)),
            ("expires_at".to_owned(), instant(self.expires_at)),
            ("tool_owner".to_owned(), entity(Kind::User, &self.tool_owner)),
        ]);
        if let Some(agent) = &self.agent {
            attributes.insert("agent".to_owned(), entity(Kind::Agent, agent));
        }
        if let Some(user) = &self.user {
            attributes.insert("user".to_owned(), entity(Kind::User, user));
        }
        Ok(Entity::new(uid(Kind::Approval, &self.id), attributes, HashSet::new())?)
    }
}

impl ApprovalState {
    /// The state that the schema calls `text`.
    pub fn parse(text: &str) -> Option<ApprovalState> {
        use ApprovalState::{Approved, Cancelled, Consumed, Expired, Pending, Rejected};
        let all = [Pending, Approved, Rejected, Expired, Consumed, Cancelled];
        all.into_iter().find(|it| it.as_str() == text)
    }

    /// The id of the schema's `ApprovalState`.
    pub fn as_str(self) -> &'static str {
        match self {
            ApprovalState::Pending => "pending",
            ApprovalState::Approved => "approved",
            ApprovalState::Rejected => "rejected",
            ApprovalState::Expired => "expired",
            ApprovalState::Consumed => "consumed",
            ApprovalState::Cancelled => "cancelled",
        }
    }
}
