//! A question as the audit keeps it.

use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Case;
use crate::audit::Entry;
use crate::authz::facts::Facts;
use crate::authz::uid::{Kind, uid};
use crate::policy::Link;

/// Who asked what about whom, and these entities as they were: with the facts, all that a decision
/// was made on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recorded {
    pub principal: Named,
    /// The id of the Cedar action.
    pub action: String,
    pub resource: Named,
    /// Null when one of those in whose name it was asked was gone.
    #[serde(default = "nobody")]
    pub others: Option<Vec<Named>>,
    /// In Cedar's entity JSON.
    pub entities: Vec<Arc<RawValue>>,
    /// The grants in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Arc<Link>>,
}

/// An entity by kind (without the namespace) and id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub kind: String,
    pub id: String,
}

/// Why a recorded decision cannot be made again.
#[derive(Debug, thiserror::Error)]
pub enum Unreplayable {
    #[error("the entry is no decision on one question")]
    NotAsked,
    #[error("the entry was written before questions were recorded")]
    NotRecorded,
    #[error("what was recorded cannot be read: {0}")]
    Unreadable(String),
}

fn nobody() -> Option<Vec<Named>> {
    Some(Vec::new())
}

impl Named {
    pub fn of(it: &EntityUid) -> Named {
        Named { kind: it.type_name().basename().to_owned(), id: it.id().unescaped().to_owned() }
    }

    pub fn uid(&self) -> Option<EntityUid> {
        Some(uid(Kind::named(&self.kind)?, &self.id))
    }
}

impl Case {
    /// The decision that `entry` tells of, as it was.
    ///
    /// # Errors
    /// The entry tells of no decision on one question, or of one of another release.
    pub fn of_entry(entry: &Entry) -> Result<Case, Unreplayable> {
        if entry.action.is_none() {
            return Err(Unreplayable::NotAsked);
        }
        let (Some(asked), Some(facts)) = (&entry.asked, &entry.facts) else {
            return Err(Unreplayable::NotRecorded);
        };
        let facts = serde_json::from_str(facts.get());
        asked.on(facts.map_err(|it| Unreplayable::Unreadable(it.to_string()))?)
    }
}

impl Recorded {
    /// The question on these facts.
    ///
    /// # Errors
    /// What was recorded is of another release.
    pub fn on(&self, facts: Facts) -> Result<Case, Unreplayable> {
        let named = |it: &Named| {
            it.uid().ok_or_else(|| Unreplayable::Unreadable(format!("no kind `{}`", it.kind)))
        };
        let others = match &self.others {
            Some(others) => Some(others.iter().map(named).collect::<Result<Vec<_>, _>>()?),
            None => None,
        };
        let entities = self.entities.iter().map(|it| read(it)).collect::<Result<Vec<_>, _>>()?;
        Ok(Case {
            principal: named(&self.principal)?,
            action: uid(Kind::Action, &self.action),
            resource: named(&self.resource)?,
            others,
            facts,
            entities,
            links: self.links.clone(),
        })
    }
}

fn read(entity: &RawValue) -> Result<Entity, Unreplayable> {
    Entity::from_json_str(entity.get(), None).map_err(|it| Unreplayable::Unreadable(it.to_string()))
}

/// An entity as the audit keeps it; none where Cedar cannot write it as JSON.
pub fn written(entity: &Entity) -> Option<Arc<RawValue>> {
    let json = entity.to_json_value().ok()?;
    serde_json::value::to_raw_value(&json).ok().map(Arc::from)
}
