//! The world of a decision table.
//!
//! `world.json` holds `facts` (what every row is told unless it says otherwise), the records
//! `approval`, `delegation` and `call` (what a row's own may leave out), and `entities` in Cedar's
//! entity JSON, checked against the schema.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use cedar_policy::{Entities, Entity, EntityUid, Schema};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::fault::Fault;
use super::super::load::SourceFile;
use super::facts::merge;
use super::parse;
use crate::authz::uid::Reference;

/// Who and what the rows are about.
pub(super) struct World {
    pub(super) facts: Map<String, Value>,
    records: BTreeMap<&'static str, Value>,
    /// The entities as they are written: a row may change some.
    written: Vec<Value>,
    /// Closed: each knows all its ancestors.
    entities: Entities,
    schema: Schema,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    facts: Map<String, Value>,
    #[serde(default)]
    approval: Value,
    #[serde(default)]
    delegation: Value,
    #[serde(default)]
    call: Value,
    entities: Vec<Value>,
}

impl World {
    pub(super) fn read(files: &[SourceFile], schema: &Schema) -> Result<World, Fault> {
        let [file] = files else {
            let problem = format!("{} files tell of the world, not one", files.len());
            return Err(Fault::whole("tests/world.json", problem));
        };
        let written: Written = parse(file)?;
        let entities = closed(written.entities.clone(), schema)
            .map_err(|error| Fault::whole(&file.path, format!("{error:#}")))?;
        let records = BTreeMap::from([
            ("approval", written.approval),
            ("delegation", written.delegation),
            ("call", written.call),
        ]);
        Ok(World {
            facts: written.facts,
            records,
            written: written.entities,
            entities,
            schema: schema.clone(),
        })
    }

    /// What a row's `approval`, `delegation` or `call` may leave out.
    pub(super) fn record(&self, key: &str) -> Option<&Value> {
        self.records.get(key).filter(|it| it.is_object())
    }

    /// The entities called `uids`, those that exist, as `changes` have them.
    pub(super) fn slice(
        &self,
        uids: [&EntityUid; 2],
        changes: &BTreeMap<Reference, Map<String, Value>>,
    ) -> Result<Vec<Entity>> {
        if changes.is_empty() {
            return Ok(taken(&self.entities, uids));
        }
        let mut written = self.written.clone();
        for (reference, change) in changes {
            let id = Value::from(reference.0.id().unescaped());
            let kind = Value::from(reference.0.type_name().to_string());
            let entity = written
                .iter_mut()
                .find(|it| {
                    let uid = it.get("uid");
                    uid.and_then(|it| it.get("type")) == Some(&kind)
                        && uid.and_then(|it| it.get("id")) == Some(&id)
                })
                .with_context(|| format!("the world has no `{}`", reference.0))?;
            let attributes = entity.get_mut("attrs");
            ensure!(attributes.is_some(), "`{}` has no attributes", reference.0);
            if let Some(attributes) = attributes {
                merge(attributes, &Value::Object(change.clone()));
            }
        }
        Ok(taken(&closed(written, &self.schema)?, uids))
    }
}

fn closed(entities: Vec<Value>, schema: &Schema) -> Result<Entities> {
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
