//! The world of the decision tables.
//!
//! `tests/fixtures.toml`, and every `*.toml` in `tests/fixtures/`, holds `[facts]` (what every row
//! is told unless it says otherwise), the `[records.approval]`, `[records.delegation]` and
//! `[records.call]` (what a row's own may leave out), and entities by kind and id: `[user.uma]`,
//! `[tool.pay]`, `[mcp_server.srv]`. An entity has the attributes of the schema, where ids stand
//! for references; `roles`, `groups` and `sets` (or `parents = ["Role:user"]`) say what it is in,
//! `tags` are its tags. `[networks.vpn]` is where a request could come from instead: its `ip`,
//! `zones` and `country`. `[defaults.tool]` is what every tool has that does not say otherwise. A
//! `*.json` in `tests/fixtures/` is a list of entities in Cedar's entity JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use cedar_policy::{Entities, Entity, EntityUid, Schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::facts::{is_fact, merge};
use super::rows::{parse, spell_dates};
use crate::authz::explain::Network;
use crate::authz::facts::NetFacts;
use crate::authz::uid::{Kind, Reference, uid};
use crate::policy::bundle::Bundle;
use crate::policy::fault::Fault;
use crate::policy::load::SourceFile;
use crate::policy::references::{References, referring};

const FACTS: &str = "facts";
const RECORDS: &str = "records";
const DEFAULTS: &str = "defaults";
const NETWORKS: &str = "networks";

/// What an entity is in, by the word for it.
const PARENTS: [(&str, Kind); 3] =
    [("roles", Kind::Role), ("groups", Kind::Group), ("sets", Kind::ToolSet)];

/// A section: names and what they stand for.
type Section = BTreeMap<String, Spanned<Value>>;
type Attributes = Map<String, Value>;

/// Who and what the rows are about.
pub(super) struct World<'a> {
    pub(super) facts: Attributes,
    records: BTreeMap<String, Value>,
    /// The entities as they are written: a row may change some.
    written: BTreeMap<EntityUid, (Kind, Attributes)>,
    networks: Vec<Network>,
    /// Closed: each knows all its ancestors.
    entities: Entities,
    schema: &'a Schema,
    references: &'a References,
}

/// What is true of requests that come from a network.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    ip: IpAddr,
    #[serde(default)]
    zones: BTreeSet<String>,
    country: Option<String>,
}

/// An entity of Cedar's entity JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CedarEntity {
    uid: CedarUid,
    #[serde(default)]
    attrs: Attributes,
    #[serde(default)]
    parents: Vec<Value>,
    #[serde(default)]
    tags: Attributes,
}

#[derive(Deserialize)]
struct CedarUid {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

impl<'a> World<'a> {
    /// Reads `files` by the schema of `bundle`.
    pub(super) fn read(files: &[SourceFile], bundle: &'a Bundle) -> Result<World<'a>, Fault> {
        if files.is_empty() {
            return Err(Fault::whole("tests/fixtures.toml", "no file tells of the world")
                .fixed_by("`gatewright init` writes the starter files"));
        }
        let mut world = World {
            facts: Map::new(),
            records: BTreeMap::new(),
            written: BTreeMap::new(),
            networks: Vec::new(),
            entities: Entities::empty(),
            schema: bundle.schema(),
            references: bundle.references(),
        };
        for file in files {
            if file.name.ends_with(".json") {
                world.take_json(file)?;
            } else {
                world.take_toml(file)?;
            }
        }
        world.entities = world.closed(files)?;
        Ok(world)
    }

    fn take_toml(&mut self, file: &SourceFile) -> Result<(), Fault> {
        let mut sections: BTreeMap<String, Section> = parse(file)?;
        for values in sections.values_mut().flat_map(BTreeMap::values_mut) {
            spell_dates(values.as_mut());
        }
        for (name, value) in sections.remove(FACTS).unwrap_or_default() {
            if !is_fact(&name) {
                return Err(Fault::at(file, value.span().start, format!("no fact `{name}`")));
            }
            self.facts.insert(name, value.into_inner());
        }
        for (name, value) in sections.remove(RECORDS).unwrap_or_default() {
            self.records.insert(name, value.into_inner());
        }
        for (name, value) in sections.remove(NETWORKS).unwrap_or_default() {
            let at = value.span().start;
            let place: Place = serde_json::from_value(value.into_inner())
                .map_err(|it| Fault::at(file, at, it.to_string()))?;
            let facts = NetFacts::new(place.ip, place.zones, place.country);
            self.networks.push(Network { name, facts });
        }
        let defaults = sections.remove(DEFAULTS).unwrap_or_default();
        for (word, entities) in sections {
            for (id, value) in entities {
                let at = value.span().start;
                let usual = defaults.get(&word).map(|it| it.get_ref().clone());
                self.take_entity(&word, &id, usual, value.into_inner())
                    .map_err(|it| Fault::at(file, at, it))?;
            }
        }
        Ok(())
    }

    fn take_entity(
        &mut self,
        word: &str,
        id: &str,
        usual: Option<Value>,
        own: Value,
    ) -> Result<(), String> {
        let kind = kind_of(word).ok_or_else(|| format!("no kind of entity `{word}`"))?;
        let mut attributes = usual.unwrap_or_else(|| json!({}));
        merge(&mut attributes, &own);
        let Value::Object(attributes) = attributes else {
            return Err(format!("`{word}.{id}` is no table"));
        };
        self.add(kind, id, attributes)
    }

    fn take_json(&mut self, file: &SourceFile) -> Result<(), Fault> {
        let entities: Vec<CedarEntity> = serde_json::from_str(&file.text).map_err(|it| Fault {
            line: it.line(),
            column: it.column(),
            ..Fault::whole(&file.path, it.to_string())
        })?;
        for it in entities {
            let name = it.uid.kind.rsplit("::").next().unwrap_or_default();
            let kind = Kind::named(name)
                .ok_or_else(|| Fault::whole(&file.path, format!("no type `{}`", it.uid.kind)))?;
            let mut attributes = it.attrs;
            attributes.insert("parents".to_owned(), Value::Array(it.parents));
            attributes.insert("tags".to_owned(), Value::Object(it.tags));
            self.add(kind, &it.uid.id, attributes).map_err(|it| Fault::whole(&file.path, it))?;
        }
        Ok(())
    }

    fn add(&mut self, kind: Kind, id: &str, attributes: Attributes) -> Result<(), String> {
        let uid = uid(kind, id);
        match self.written.insert(uid.clone(), (kind, attributes)) {
            None => Ok(()),
            Some(_) => Err(format!("`{}:{id}` is there twice", kind.name())),
        }
    }

    /// Every entity with its ancestors; the first that the schema refuses is shown where it stands.
    fn closed(&self, files: &[SourceFile]) -> Result<Entities, Fault> {
        let all = self.written.iter().map(|(uid, (kind, it))| self.expressed(uid, *kind, it));
        let all: Result<Vec<Value>> = all.collect();
        let found = all.and_then(|it| parsed(it, self.schema));
        found.map_err(|error| {
            let wrong = self.written.iter().find_map(|(uid, (kind, it))| {
                let one = self.expressed(uid, *kind, it);
                let refused = one.and_then(|it| parsed(vec![it], self.schema)).err()?;
                place(files, *kind, uid).map(|(file, at)| Fault::at(file, at, refused.to_string()))
            });
            wrong.unwrap_or_else(|| {
                let path = files.first().map_or("tests/fixtures.toml", |it| it.path.as_str());
                Fault::whole(path, error.to_string())
            })
        })
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

    /// What a row's `approval`, `delegation` or `call` may leave out.
    pub(super) fn record(&self, key: &str) -> Option<&Value> {
        self.records.get(key).filter(|it| it.is_object())
    }

    /// Where a request could come from instead.
    pub(super) fn networks(&self) -> Arc<[Network]> {
        self.networks.clone().into()
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
            let (kind, written) = known.with_context(|| format!("the world has no `{uid}`"))?;
            let mut attributes = Value::Object(written.clone());
            merge(&mut attributes, &Value::Object(change.clone()));
            let attributes = attributes.as_object().cloned().unwrap_or_default();
            changed.push(self.expressed(uid, *kind, &attributes)?);
        }
        let changed = parsed(changed, self.schema)?;
        let all = self.entities.clone().upsert_entities(changed, Some(self.schema));
        Ok(taken(&all.map_err(|it| anyhow::anyhow!("{}", chain(&it)))?, uids))
    }

    #[cfg(test)]
    pub(super) fn into_entities(self) -> Entities {
        self.entities
    }
}

/// `mcp_server` is a `McpServer`.
fn kind_of(word: &str) -> Option<Kind> {
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters.next().map(|it| it.to_uppercase().chain(letters).collect::<String>())
    };
    Kind::named(&word.split('_').filter_map(capital).collect::<String>())
}

/// Where the entity stands, as near as its file tells.
fn place<'a>(
    files: &'a [SourceFile],
    kind: Kind,
    uid: &EntityUid,
) -> Option<(&'a SourceFile, usize)> {
    files.iter().find_map(|file| {
        let sections: BTreeMap<String, Section> = parse(file).ok()?;
        let of_kind = sections.into_iter().find(|(word, _)| kind_of(word) == Some(kind))?;
        let at = of_kind.1.get(uid.id().unescaped())?.span().start;
        Some((file, at))
    })
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

fn parsed(entities: Vec<Value>, schema: &Schema) -> Result<Entities> {
    Entities::from_json_value(Value::Array(entities), Some(schema))
        .map_err(|error| anyhow::anyhow!("{}", chain(&error)))
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
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        text.push_str(": ");
        text.push_str(&it.to_string());
        cause = it.source();
    }
    text
}
