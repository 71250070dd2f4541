//! What policies see of a tool.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Entity, RestrictedExpression};
use serde::Serialize;
use uuid::Uuid;

use super::definition::{Definition, RiskLevel};
use super::tool::State;
use crate::Result;
use crate::authz::uid::{Kind, uid};
use crate::clock::instant;

/// Everything but the id.
#[derive(Serialize)]
pub(super) struct Seen<'a> {
    owner: Uuid,
    /// The state that counts.
    standing: State,
    risk_level: RiskLevel,
    consequential: bool,
    scopes: &'a BTreeSet<String>,
    required_scopes: &'a BTreeSet<String>,
    max_ttl_seconds: u32,
    /// Microseconds.
    probe_valid_until: Option<i64>,
    tags: &'a BTreeSet<String>,
    server: Option<&'a str>,
}

impl<'a> Seen<'a> {
    /// `server` is the name of the server that the tool is one of, without regard to case.
    pub(super) fn new(
        definition: &'a Definition,
        (owner, standing): (Uuid, State),
        probe_valid_until: Option<i64>,
        server: Option<&'a str>,
    ) -> Seen<'a> {
        Seen {
            owner,
            standing,
            risk_level: definition.risk_level,
            consequential: definition.consequential,
            scopes: &definition.scopes,
            required_scopes: &definition.required_scopes,
            max_ttl_seconds: definition.max_ttl_seconds,
            probe_valid_until,
            tags: &definition.tags,
            server,
        }
    }

    /// The same bytes for whatever looks the same.
    pub(super) fn likeness(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }

    /// The tool of this id that looks like this.
    pub(super) fn entity(&self, id: Uuid) -> Result<Entity> {
        let one = |kind, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
        let scopes = |words: &BTreeSet<String>| {
            RestrictedExpression::new_set(words.iter().map(|word| one(Kind::Scope, word)))
        };
        let ttl = RestrictedExpression::new_duration(format!("{}s", self.max_ttl_seconds));
        let mut attributes = HashMap::from([
            ("owner".to_owned(), one(Kind::User, &self.owner.to_string())),
            ("state".to_owned(), one(Kind::ToolState, self.standing.as_str())),
            ("risk".to_owned(), one(Kind::RiskLevel, self.risk_level.as_str())),
            ("consequential".to_owned(), RestrictedExpression::new_bool(self.consequential)),
            ("allowed_scopes".to_owned(), scopes(self.scopes)),
            ("required_scopes".to_owned(), scopes(self.required_scopes)),
            ("max_ttl".to_owned(), ttl),
        ]);
        if let Some(at) = self.probe_valid_until {
            let at = instant(at).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
            let at = RestrictedExpression::new_datetime(at);
            attributes.insert("probe_valid_until".to_owned(), at);
        }
        // Policies may speak of all tools of a server by its name.
        let sets = self.tags.iter().map(String::as_str).chain(self.server);
        let sets: HashSet<_> = sets.map(|tag| uid(Kind::ToolSet, tag)).collect();
        let entity = Entity::new(uid(Kind::Tool, &id.to_string()), attributes, sets)
            .map_err(anyhow::Error::from)?;
        Ok(entity)
    }
}
