//! An agent acting for a user, and the mandate that lets it.

use std::collections::{BTreeSet, HashMap, HashSet};

use anyhow::Result;
use cedar_policy::{Entity, RestrictedExpression};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::express::{count, entity, instant, scopes, seconds};
use crate::authz::uid::{Kind, uid};

/// On whose behalf the request is made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// Id of the user who is acted for.
    pub user: String,
    /// Id of the agent that acts.
    pub agent: String,
    /// How many agents stand between the user and the tool.
    pub depth: u32,
    /// How long the mandate still holds.
    pub remaining_seconds: u64,
    /// What the user allowed; without one, policy denies.
    pub mandate: Option<Mandate>,
}

/// A user's word that an agent may act for them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mandate {
    pub id: String,
    pub user: String,
    pub agent: String,
    pub scopes: BTreeSet<String>,
    /// Id of the tool set that the agent may use.
    pub tools: String,
    pub not_before: Timestamp,
    pub expires_at: Timestamp,
    pub max_depth: u32,
    pub revoked: bool,
}

impl Delegation {
    pub(super) fn expression(&self) -> Result<RestrictedExpression> {
        let mut fields = vec![
            ("user".to_owned(), entity(Kind::User, &self.user)),
            ("agent".to_owned(), entity(Kind::Agent, &self.agent)),
            ("depth".to_owned(), count(u64::from(self.depth))),
            ("remaining".to_owned(), seconds(self.remaining_seconds)),
        ];
        if let Some(mandate) = &self.mandate {
            fields.push(("mandate".to_owned(), entity(Kind::Mandate, &mandate.id)));
        }
        Ok(RestrictedExpression::new_record(fields)?)
    }
}

impl Mandate {
    /// The mandate as Cedar sees it.
    ///
    /// # Errors
    /// An instant outside the years that Cedar knows.
    pub fn entity(&self) -> Result<Entity> {
        let attributes = HashMap::from([
            ("user".to_owned(), entity(Kind::User, &self.user)),
            ("agent".to_owned(), entity(Kind::Agent, &self.agent)),
            ("scopes".to_owned(), scopes(&self.scopes)),
            ("tools".to_owned(), entity(Kind::ToolSet, &self.tools)),
            ("not_before".to_owned(), instant(self.not_before)),
            ("expires_at".to_owned(), instant(self.expires_at)),
            ("max_depth".to_owned(), count(u64::from(self.max_depth))),
            ("revoked".to_owned(), RestrictedExpression::new_bool(self.revoked)),
        ]);
        Ok(Entity::new(uid(Kind::Mandate, &self.id), attributes, HashSet::new())?)
    }
}
