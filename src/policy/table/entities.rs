//! The entities of the fixtures: as people write them, and as Cedar has them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use cedar_policy::{Entities, Entity, EntityUid, Schema};
use serde_json::{Map, Value, json};

use super::facts::merge;
use crate::authz::uid::{Kind, Reference, uid};
use crate::policy::bundle::Bundle;
use crate::policy::fault::Fault;
use crate::policy::references::{References, referring};

/// What an entity is in, by the word for it.
const PARENTS: [(&str, Kind); 3] =
    [("roles", Kind::Role), ("groups", Kind::Group), ("sets", Kind::ToolSet)];

pub(super) type Attributes = Map<String, Value>;

/// Every entity that rows may be about.
pub(super) struct Population<'a> {
    /// As they are written: a row may change some.
    written: BTreeMap<EntityUid, Written>,
    /// Closed: each knows all its ancestors.
    entities: Entities,
    schema: &'a Schema,
    references: &'a References,
}

struct Written {
    kind: Kind,
    attributes: Attributes,
    /// What is wrong with it, but for the words.
    place: Fault,
}

impl<'a> Population<'a> {
    /// Nobody, yet.
    pub(super) fn of(bundle: &'a Bundle) -> Population<'a> {
        Population {
            written: BTreeMap::new(),
            entities: Entities::empty(),
            schema: bundle.schema(),
            references: bundle.references(),
        }
    }

    /// Takes one more, which stands at `place`.
    ///
    /// # Errors
    /// There is one of that kind and id.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        id: &str,
        attributes: Attributes,
        place: Fault,
    ) -> Result<(), Fault> {
        let twice =
            Fault { problem: format!("`{}:{id}` is there twice", kind.name()), ..place.clone() };
        match self.written.insert(uid(kind, id), Written { kind, attributes, place }) {
            None => Ok(()),
            Some(_) => Err(twice),
        }
    }

    /// Gives each entity its ancestors.
    ///
    /// # Errors
    /// The first that the schema refuses, where it stands.
    pub(super) fn close(&mut self) -> Result<(), Fault> {
        let all = self.written.iter().map(|(uid, it)| self.expressed(uid, it.kind, &it.attributes));
        let all = all.collect::<Result<Vec<Value>>>().and_then(|it| self.parsed(it));
        self.entities = all.map_err(|error| self.refused(&error))?;
        Ok(())
    }

    fn refused(&self, error: &anyhow::Error) -> Fault {
        let wrong = self.written.iter().find_map(|(uid, it)| {
            let one = self.expressed(uid, it.kind, &it.attributes);
            let problem = one.and_then(|it| self.parsed(vec![it])).err()?.to_string();
            Some(Fault { problem, ..it.place.clone() })
        });
        wrong.unwrap_or_else(|| Fault::whole("tests/fixtures.toml", error.to_string()))
    }

    /// Whether the fixtures tell of `uid`.
    pub(super) fn has(&self, uid: &EntityUid) -> bool {
        self.written.contains_key(uid)
    }

    /// The entities called `uids`, those that exist, as `changes` have them.
    pub(super) fn slice(
        &self,
        uids: [&EntityUid; 2],
        changes: &BTreeMap<Reference, Attributes>,
    ) -> Result<Vec<Entity>> {
        if changes.is_empty() {
            return Ok(taken(&self.entities, uids));
        }
        let mut changed = Vec::with_capacity(changes.len());
        for (Reference(uid), change) in changes {
            let known = self.written.get(uid);
            let known = known.with_context(|| format!("the world has no `{uid}`"))?;
            let mut attributes = Value::Object(known.attributes.clone());
            merge(&mut attributes, &Value::Object(change.clone()));
            let attributes = attributes.as_object().cloned().unwrap_or_default();
            changed.push(self.expressed(uid, known.kind, &attributes)?);
        }
        let changed = self.parsed(changed)?;
        let all = self.entities.clone().upsert_entities(changed, Some(self.schema));
        Ok(taken(&all.map_err(|it| anyhow::anyhow!("{}", chain(&it)))?, uids))
    }

    /// The entity as Cedar's entity JSON has it.
    fn expressed(&self, uid: &EntityUid, kind: Kind, written: &Attributes) -> Result<Value> {
        let (mut attributes, mut parents, mut tags) = (Map::new(), Vec::new(), json!({}));
        for (name, value) in written {
            let parent = PARENTS.iter().find(|(word, _)| word == name);
            match (parent, name.as_str()) {
                (Some((_, kind)), _) => {
                    parents.extend(list(name, value)?.iter().map(|it| referring(*kind, it)));
                }
                (None, "parents") => {
                    let written = list(name, value)?.iter().map(parent_of);
                    parents.extend(written.collect::<Result<Vec<_>>>()?);
                }
                (None, "tags") => tags = value.clone(),
                (None, _) => {
                    attributes.insert(name.clone(), self.references.expressed(kind, name, value));
                }
            }
        }
        let uid = referring(kind, &Value::from(uid.id().unescaped()));
        Ok(json!({ "uid": uid, "attrs": attributes, "parents": parents, "tags": tags }))
    }

    fn parsed(&self, entities: Vec<Value>) -> Result<Entities> {
        Entities::from_json_value(Value::Array(entities), Some(self.schema))
            .map_err(|error| anyhow::anyhow!("{}", chain(&error)))
    }

    #[cfg(test)]
    pub(super) fn into_entities(self) -> Entities {
        self.entities
    }
}

fn list<'a>(name: &str, value: &'a Value) -> Result<&'a [Value]> {
    let items = value.as_array().with_context(|| format!("`{name}` is no list"))?;
    Ok(items)
}

/// `Role:user`, or what Cedar has for it.
fn parent_of(written: &Value) -> Result<Value> {
    let Some(text) = written.as_str() else { return Ok(written.clone()) };
    let Reference(uid) = Reference::try_from(text.to_owned()).map_err(anyhow::Error::msg)?;
    Ok(json!({ "type": uid.type_name().to_string(), "id": uid.id().unescaped() }))
}

fn taken(entities: &Entities, uids: [&EntityUid; 2]) -> Vec<Entity> {
    let mut taken: Vec<Entity> = Vec::with_capacity(2);
    for entity in uids.into_iter().filter_map(|it| entities.get(it)) {
        if taken.iter().all(|it| it.uid() != entity.uid()) {
            taken.push(entity.clone());
        }
    }
    taken
}

/// An error with its causes: Cedar says what is wrong with an entity in the innermost.
pub(in crate::policy) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        text.push_str(": ");
        text.push_str(&it.to_string());
        cause = it.source();
    }
    text
}
