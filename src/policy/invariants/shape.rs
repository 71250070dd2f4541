//! What the schema says a request is made of: the types of every context, entity and tag.

use std::collections::{BTreeMap, HashMap};

use cedar_policy::{EntityTypeName, EntityUid, SchemaFragment};
use serde_json::{Map, Value as Json};

use super::super::load::SourceFile;
use crate::authz::uid::{NAMESPACE, action};

/// The type of a value.
#[derive(Clone, Debug)]
pub(super) enum Type {
    Bool,
    Long,
    Text,
    Instant,
    Duration,
    Decimal,
    Ip,
    Entity(EntityTypeName),
    Set(Box<Type>),
    Record(Fields),
}

pub(super) type Fields = BTreeMap<String, Field>;

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) ty: Type,
    pub(super) optional: bool,
}

/// An entity type.
#[derive(Clone, Debug, Default)]
pub(super) struct EntityShape {
    pub(super) attributes: Fields,
    pub(super) tags: Option<Type>,
    /// The ids of a closed vocabulary; empty where ids are free.
    pub(super) choices: Vec<String>,
}

/// Everything that the schema says of values.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    pub(super) entities: HashMap<EntityTypeName, EntityShape>,
    contexts: HashMap<EntityUid, Fields>,
}

impl Shapes {
    /// Reads the schema's files again; what does not parse was refused before.
    pub(super) fn of(files: &[SourceFile]) -> Shapes {
        let mut raw = Raw::default();
        for file in files {
            if let Ok((fragment, _)) = SchemaFragment::from_cedarschema_str(&file.text)
                && let Ok(json) = fragment.to_json_value()
            {
                raw.take(&json);
            }
        }
        raw.shapes()
    }

    /// What the context of `action` holds.
    pub(super) fn context(&self, action: &EntityUid) -> Option<&Fields> {
        self.contexts.get(action)
    }
}

/// The schema as JSON, by name.
#[derive(Default)]
struct Raw {
    common: Map<String, Json>,
    entities: Map<String, Json>,
    actions: Map<String, Json>,
}

impl Raw {
    fn take(&mut self, json: &Json) {
        let Some(all) = json.get(NAMESPACE) else { return };
        for (key, into) in [
            ("commonTypes", &mut self.common),
            ("entityTypes", &mut self.entities),
            ("actions", &mut self.actions),
        ] {
            let found = all.get(key).and_then(Json::as_object).into_iter().flatten();
            into.extend(found.map(|(key, it)| (key.clone(), it.clone())));
        }
    }

    fn shapes(&self) -> Shapes {
        let mut shapes = Shapes::default();
        for (name, json) in &self.entities {
            let Some(name) = type_name(name) else { continue };
            let choices = json.get("enum").and_then(Json::as_array).into_iter().flatten();
            let attributes = match json.get("shape").and_then(|it| self.resolve(it)) {
                Some(Type::Record(fields)) => fields,
                _ => Fields::new(),
            };
            let shape = EntityShape {
                attributes,
                tags: json.get("tags").and_then(|it| self.resolve(it)),
                choices: choices.filter_map(Json::as_str).map(str::to_owned).collect(),
            };
            shapes.entities.insert(name, shape);
        }
        for (name, json) in &self.actions {
            let context = json.get("appliesTo").and_then(|it| it.get("context"));
            if let Some(Type::Record(fields)) = context.and_then(|it| self.resolve(it)) {
                shapes.contexts.insert(action(name), fields);
            }
        }
        shapes
    }

    fn resolve(&self, json: &Json) -> Option<Type> {
        let kind = json.get("type").and_then(Json::as_str)?;
        match kind {
            "Record" => {
                let fields = json.get("attributes")?.as_object()?;
                let fields = fields.iter().filter_map(|(key, it)| {
                    let optional = it.get("required").and_then(Json::as_bool) == Some(false);
                    Some((key.clone(), Field { ty: self.resolve(it)?, optional }))
                });
                Some(Type::Record(fields.collect()))
            }
            "Set" => Some(Type::Set(Box::new(self.resolve(json.get("element")?)?))),
            _ => self.named(json.get("name").and_then(Json::as_str).unwrap_or(kind)),
        }
    }

    fn named(&self, name: &str) -> Option<Type> {
        let own = name.strip_prefix(NAMESPACE).and_then(|it| it.strip_prefix("::")).unwrap_or(name);
        if let Some(it) = self.common.get(own) {
            return self.resolve(it);
        }
        if self.entities.contains_key(own) {
            return type_name(own).map(Type::Entity);
        }
        Some(match own.strip_prefix("__cedar::").unwrap_or(own) {
            "Bool" | "Boolean" => Type::Bool,
            "Long" => Type::Long,
            "String" => Type::Text,
            "datetime" => Type::Instant,
            "duration" => Type::Duration,
            "decimal" => Type::Decimal,
            "ipaddr" => Type::Ip,
            _ => return None,
        })
    }
}

fn type_name(name: &str) -> Option<EntityTypeName> {
    format!("{NAMESPACE}::{name}").parse().ok()
}
