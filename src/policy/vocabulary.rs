//! What the schema declares of entities and contexts, to read values by that are written in plain
//! JSON: `"high"` for an entity, `"5m"` for a duration.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{EntityTypeName, EntityUid, SchemaFragment};
use serde_json::{Map, Value, json};

/// Deeper than any type that people write.
const DEPTH_MAX: usize = 16;

/// Every type and every context, by name.
#[derive(Debug, Default)]
pub struct Vocabulary {
    kinds: BTreeMap<String, Kind>,
    contexts: HashMap<EntityUid, Members>,
}

/// The members of a record, each with its type.
pub type Members = BTreeMap<String, Type>;

/// An entity type.
#[derive(Clone, Debug, Default)]
pub struct Kind {
    pub attributes: Members,
    /// The types that one of it may lie in.
    pub parents: Vec<Named>,
}

/// An entity type by its name, with the ids that there are if it is an enumeration.
#[derive(Clone, Debug)]
pub struct Named {
    name: String,
    choices: Option<Arc<BTreeSet<String>>>,
}

/// The type of a value.
#[derive(Clone, Debug)]
pub enum Type {
    Bool,
    Long,
    Text,
    Entity(Named),
    /// By the function that makes one of a text.
    Extension(&'static str),
    Set(Box<Type>),
    Record(Members),
}

impl Vocabulary {
    /// Reads what these fragments declare. What it cannot make sense of it leaves out: such a value
    /// cannot be given.
    pub(super) fn of(fragments: &[SchemaFragment]) -> Vocabulary {
        let mut source = Source::default();
        let written: Vec<Value> =
            fragments.iter().filter_map(|it| it.clone().to_json_value().ok()).collect();
        for (space, body) in written.iter().filter_map(Value::as_object).flatten() {
            source.declare(space, body);
        }
        let mut vocabulary = Vocabulary::default();
        for (space, body) in written.iter().filter_map(Value::as_object).flatten() {
            vocabulary.take(&source, space, body);
        }
        vocabulary
    }

    /// What is declared of an entity type.
    pub fn kind(&self, name: &EntityTypeName) -> Option<&Kind> {
        self.kinds.get(&name.to_string())
    }

    /// The names of all entity types, with their namespaces.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// What the context of an action holds.
    pub fn context(&self, action: &EntityUid) -> Option<&Members> {
        self.contexts.get(action)
    }

    fn take(&mut self, source: &Source<'_>, space: &str, body: &Value) {
        for (name, it) in members(body, "entityTypes") {
            let attributes = it.get("shape").and_then(|it| source.record(space, it, 0));
            let parents = it.get("memberOfTypes").and_then(Value::as_array).into_iter().flatten();
            let parents = parents.filter_map(|it| source.entity(space, it.as_str()?));
            let kind =
                Kind { attributes: attributes.unwrap_or_default(), parents: parents.collect() };
            self.kinds.insert(qualified(space, name), kind);
        }
        for (name, it) in members(body, "actions") {
            let Some(context) = it.get("appliesTo").and_then(|it| it.get("context")) else {
                continue;
            };
            let action: Option<EntityTypeName> = qualified(space, "Action").parse().ok();
            if let (Some(action), Some(context)) = (action, source.record(space, context, 0)) {
                let id = cedar_policy::EntityId::new(name);
                self.contexts.insert(EntityUid::from_type_name_and_id(action, id), context);
            }
        }
    }
}

impl Named {
    /// The name with its namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last part of the name.
    pub fn basename(&self) -> &str {
        basename(&self.name)
    }

    /// The ids that there are, in order; none where there can be any.
    pub fn choices(&self) -> impl Iterator<Item = &str> {
        self.choices.iter().flat_map(|it| it.iter()).map(String::as_str)
    }

    /// The entity of this id, in Cedar's JSON; none where there can be no such.
    pub fn one(&self, id: &str) -> Option<Value> {
        let known = self.choices.as_ref().is_none_or(|it| it.contains(id));
        known.then(|| json!({ "type": self.name, "id": id }))
    }
}

impl Type {
    /// A value written in plain JSON, in Cedar's JSON; none where it is of another type. Members of
    /// a record that it does not declare are left out.
    pub fn value(&self, plain: &Value) -> Option<Value> {
        match (self, plain) {
            (Type::Bool, Value::Bool(_)) | (Type::Text, Value::String(_)) => Some(plain.clone()),
            (Type::Long, Value::Number(it)) => it.as_i64().map(Value::from),
            (Type::Entity(named), Value::String(id)) => {
                named.one(id).map(|it| json!({ "__entity": it }))
            }
            (Type::Entity(named), Value::Object(it)) => {
                let same = it.get("type").is_none_or(|it| it.as_str() == Some(named.name()));
                let id = it.get("id").and_then(Value::as_str).filter(|_| same)?;
                named.one(id).map(|it| json!({ "__entity": it }))
            }
            (Type::Extension(function), Value::String(it)) => {
                Some(json!({ "__extn": { "fn": function, "arg": it } }))
            }
            (Type::Set(of), Value::Array(all)) => all.iter().map(|it| of.value(it)).collect(),
            (Type::Record(members), Value::Object(all)) => {
                let known = all.iter().filter_map(|(key, it)| Some((key, members.get(key)?, it)));
                let read = known.map(|(key, of, it)| Some((key.clone(), of.value(it)?)));
                read.collect::<Option<Map<_, _>>>().map(Value::Object)
            }
            _ => None,
        }
    }
}

/// What is declared, before names are looked up.
#[derive(Default)]
struct Source<'a> {
    common: BTreeMap<String, (&'a str, &'a Value)>,
    entities: BTreeMap<String, Option<Arc<BTreeSet<String>>>>,
}

impl<'a> Source<'a> {
    fn declare(&mut self, space: &'a str, body: &'a Value) {
        for (name, it) in members(body, "commonTypes") {
            self.common.insert(qualified(space, name), (space, it));
        }
        for (name, it) in members(body, "entityTypes") {
            let choices = it.get("enum").and_then(Value::as_array).map(|all| {
                Arc::new(all.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            });
            self.entities.insert(qualified(space, name), choices);
        }
    }

    fn record(&self, space: &str, written: &Value, depth: usize) -> Option<Members> {
        match self.typed(space, written, depth)? {
            Type::Record(members) => Some(members),
            _ => None,
        }
    }

    fn typed(&self, space: &str, written: &Value, depth: usize) -> Option<Type> {
        if depth > DEPTH_MAX {
            return None;
        }
        let name = || written.get("name").and_then(Value::as_str);
        match written.get("type")?.as_str()? {
            "Set" => {
                let of = self.typed(space, written.get("element")?, depth + 1)?;
                Some(Type::Set(Box::new(of)))
            }
            "Record" => {
                let all = members(written, "attributes");
                let typed = all
                    .filter_map(|(key, it)| Some((key.clone(), self.typed(space, it, depth + 1)?)));
                Some(Type::Record(typed.collect()))
            }
            "Entity" => self.entity(space, name()?).map(Type::Entity),
            "EntityOrCommon" | "Extension" => self.named(space, name()?, depth),
            other => self.named(space, other, depth),
        }
    }

    fn named(&self, space: &str, name: &str, depth: usize) -> Option<Type> {
        for full in [qualified(space, name), name.to_owned()] {
            if let Some((space, written)) = self.common.get(&full) {
                return self.typed(space, written, depth + 1);
            }
        }
        if let Some(it) = self.entity(space, name) {
            return Some(Type::Entity(it));
        }
        match basename(name) {
            "Bool" | "Boolean" => Some(Type::Bool),
            "Long" => Some(Type::Long),
            "String" => Some(Type::Text),
            "ipaddr" => Some(Type::Extension("ip")),
            "decimal" => Some(Type::Extension("decimal")),
            "datetime" => Some(Type::Extension("datetime")),
            "duration" => Some(Type::Extension("duration")),
            _ => None,
        }
    }

    fn entity(&self, space: &str, name: &str) -> Option<Named> {
        let known = [qualified(space, name), name.to_owned()];
        known.into_iter().find_map(|name| {
            let choices = self.entities.get(&name)?.clone();
            Some(Named { name, choices })
        })
    }
}

fn members<'a>(body: &'a Value, of: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    body.get(of).and_then(Value::as_object).into_iter().flatten()
}

fn qualified(space: &str, name: &str) -> String {
    if space.is_empty() { name.to_owned() } else { format!("{space}::{name}") }
}

/// `Tool` of `Gatewright::Tool`.
pub fn basename(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Bundle;

    #[test]
    fn values_are_read_as_the_schema_declares_them() {
        let bundle = Bundle::starter().unwrap();
        let tool: EntityTypeName = "Gatewright::Tool".parse().unwrap();
        let tool = bundle.vocabulary().kind(&tool).unwrap();
        let read = |name: &str, it: Value| tool.attributes[name].value(&it);
        let risk = json!({ "__entity": { "type": "Gatewright::RiskLevel", "id": "high" } });
        assert_eq!(read("risk", json!("high")), Some(risk));
        assert_eq!(read("risk", json!("extreme")), None, "not one of the enumeration");
        assert_eq!(read("consequential", json!("yes")), None);
        let ttl = json!({ "__extn": { "fn": "duration", "arg": "5m" } });
        assert_eq!(read("max_ttl", json!("5m")), Some(ttl));
        let scope = json!([{ "__entity": { "type": "Gatewright::Scope", "id": "read" } }]);
        assert_eq!(read("allowed_scopes", json!(["read"])), Some(scope));
        assert_eq!(tool.parents[0].name(), "Gatewright::ToolSet");
    }

    #[test]
    fn every_context_of_the_schema_is_known() {
        let bundle = Bundle::starter().unwrap();
        for env in bundle.schema().request_envs() {
            let context = bundle.vocabulary().context(env.action());
            assert!(context.is_some_and(|it| it.contains_key("risk")), "{}", env.action());
        }
    }
}
