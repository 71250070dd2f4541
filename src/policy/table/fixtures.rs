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

use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::entities::{Attributes, Population};
use super::facts::{is_fact, merge};
use super::rows::{parse, spell_dates};
use crate::authz::explain::Network;
use crate::authz::facts::NetFacts;
use crate::authz::uid::Kind;
use crate::policy::bundle::Bundle;
use crate::policy::fault::Fault;
use crate::policy::load::SourceFile;

const FACTS: &str = "facts";
const RECORDS: &str = "records";
const DEFAULTS: &str = "defaults";
const NETWORKS: &str = "networks";

/// A section: names and what they stand for.
type Section = BTreeMap<String, Spanned<Value>>;

/// Who and what the rows are about.
pub(super) struct World<'a> {
    pub(super) facts: Attributes,
    records: BTreeMap<String, Value>,
    pub(super) population: Population<'a>,
    networks: Vec<Network>,
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
            population: Population::of(bundle),
            networks: Vec::new(),
        };
        for file in files {
            if file.name.ends_with(".json") {
                world.take_json(file)?;
            } else {
                world.take_toml(file)?;
            }
        }
        world.population.close()?;
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
                let place = Fault::at(file, value.span().start, "");
                let usual = defaults.get(&word).map(|it| it.get_ref().clone());
                self.take_entity(&word, &id, usual, value.get_ref(), place)?;
            }
        }
        Ok(())
    }

    fn take_entity(
        &mut self,
        word: &str,
        id: &str,
        usual: Option<Value>,
        own: &Value,
        place: Fault,
    ) -> Result<(), Fault> {
        let Some(kind) = kind_of(word) else {
            return Err(Fault { problem: format!("no kind of entity `{word}`"), ..place });
        };
        let mut attributes = usual.unwrap_or_else(|| json!({}));
        merge(&mut attributes, own);
        let Value::Object(attributes) = attributes else {
            return Err(Fault { problem: format!("`{word}.{id}` is no table"), ..place });
        };
        self.population.add(kind, id, attributes, place)
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
            self.population.add(kind, &it.uid.id, attributes, Fault::whole(&file.path, ""))?;
        }
        Ok(())
    }

    /// What a row's `approval`, `delegation` or `call` may leave out.
    pub(super) fn record(&self, key: &str) -> Option<&Value> {
        self.records.get(key).filter(|it| it.is_object())
    }

    /// Where a request could come from instead.
    pub(super) fn networks(&self) -> Arc<[Network]> {
        self.networks.clone().into()
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
