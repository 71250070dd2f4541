//! A registered tool.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid, RestrictedExpression};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::definition::Definition;
use crate::Result;
use crate::authz::facts::Particulars;
use crate::authz::uid::{Kind, uid};
use crate::authz::{Resource, View};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Registered by somebody who may not activate it.
    Draft,
    Active,
    Deactivated,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Draft => "draft",
            State::Active => "active",
            State::Deactivated => "deactivated",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Tool {
    pub id: Uuid,
    pub owner: Uuid,
    pub state: State,
    pub definition: Definition,
    /// Goes up by one with every change; the `ETag`.
    pub revision: i64,
    pub created_at: i64,
    pub updated_at: i64,
    name_key: String,
    digest: String,
    entity: Entity,
}

/// A tool as the store keeps it.
#[derive(Serialize, Deserialize)]
struct Body {
    id: Uuid,
    owner: Uuid,
    state: State,
    definition: Definition,
    created_at: i64,
    updated_at: i64,
}

impl Tool {
    pub fn new(
        id: Uuid,
        owner: Uuid,
        definition: Definition,
        state: State,
        now: i64,
    ) -> Result<Tool> {
        Body { id, owner, state, definition, created_at: now, updated_at: now }.sealed(1)
    }

    pub(super) fn restore(body: &str, revision: i64) -> Result<Tool> {
        let body: Body = serde_json::from_str(body).map_err(anyhow::Error::from)?;
        body.sealed(revision)
    }

    /// The next revision.
    pub(super) fn changed(&self, now: i64, change: impl FnOnce(&mut Tool)) -> Result<Tool> {
        let mut next = self.clone();
        change(&mut next);
        next.updated_at = now;
        next.stored().sealed(self.revision + 1)
    }

    pub(super) fn body(&self) -> Result<String> {
        Ok(serde_json::to_string(&self.stored()).map_err(anyhow::Error::from)?)
    }

    fn stored(&self) -> Body {
        Body {
            id: self.id,
            owner: self.owner,
            state: self.state,
            definition: self.definition.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// The name without regard to case.
    pub fn name_key(&self) -> &str {
        &self.name_key
    }

    /// SHA-256 over the canonical JSON (RFC 8785) of the definition: what a credential is pinned to.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl Body {
    /// Makes what is derived fit what is given.
    fn sealed(self, revision: i64) -> Result<Tool> {
        let canonical =
            serde_json_canonicalizer::to_vec(&self.definition).map_err(anyhow::Error::from)?;
        Ok(Tool {
            name_key: self.definition.name.to_lowercase(),
            digest: format!("sha256:{}", hex::encode(Sha256::digest(canonical))),
            entity: self.entity()?,
            id: self.id,
            owner: self.owner,
            state: self.state,
            definition: self.definition,
            revision,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }

    fn entity(&self) -> Result<Entity> {
        let it = &self.definition;
        let one = |kind, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
        let scopes = |words: &std::collections::BTreeSet<String>| {
            RestrictedExpression::new_set(words.iter().map(|word| one(Kind::Scope, word)))
        };
        let ttl = RestrictedExpression::new_duration(format!("{}s", it.max_ttl_seconds));
        let attributes = HashMap::from([
            ("owner".to_owned(), one(Kind::User, &self.owner.to_string())),
            ("state".to_owned(), one(Kind::ToolState, self.state.as_str())),
            ("risk".to_owned(), one(Kind::RiskLevel, it.risk_level.as_str())),
            ("consequential".to_owned(), RestrictedExpression::new_bool(it.consequential)),
            ("allowed_scopes".to_owned(), scopes(&it.scopes)),
            ("required_scopes".to_owned(), scopes(&it.required_scopes)),
            ("max_ttl".to_owned(), ttl),
        ]);
        let sets: HashSet<_> = it.tags.iter().map(|tag| uid(Kind::ToolSet, tag)).collect();
        let entity = Entity::new(uid(Kind::Tool, &self.id.to_string()), attributes, sets)
            .map_err(anyhow::Error::from)?;
        Ok(entity)
    }
}

impl Resource for Arc<Tool> {
    fn uid(&self) -> EntityUid {
        self.entity.uid()
    }

    fn entity(&self) -> Option<&Entity> {
        Some(&self.entity)
    }

    fn name(&self) -> &str {
        &self.definition.name
    }

    fn view(&self) -> Option<View> {
        Some(View { action: "view_tool", particulars: || Particulars::Find })
    }
}
