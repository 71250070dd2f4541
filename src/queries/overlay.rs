//! Entities with properties that an enforcement point supplies in the place of what is stored.

use anyhow::anyhow;
use cedar_policy::{Entities, Entity, EntityUid};
use serde_json::{Map, Value, json};

use super::model::Properties;
use crate::policy::Bundle;
use crate::policy::vocabulary::{Kind, Named};

/// An entity as it is to be decided on.
pub struct Overlaid {
    pub entity: Entity,
    /// The names of the properties that it has no place for.
    pub ignored: Vec<String>,
}

/// `stored`, or else a new entity called `uid`, with `properties` over it: attributes by their
/// names, and the entities that it lies in by the name of their type, as in `role` or `roles`.
///
/// # Errors
/// What comes out is not what the schema declares.
pub fn overlaid(
    (uid, stored): (&EntityUid, Option<&Entity>),
    properties: &Properties,
    bundle: &Bundle,
) -> anyhow::Result<Overlaid> {
    let kind = bundle.vocabulary().kind(uid.type_name());
    let kind = kind.ok_or_else(|| anyhow!("the schema does not know `{}`", uid.type_name()))?;
    let mut written = match stored {
        Some(it) => it.to_json_value()?,
        None => json!({
            "uid": { "type": uid.type_name().to_string(), "id": uid.id().unescaped() },
            "attrs": {}, "parents": [],
        }),
    };
    let mut ignored = Vec::new();
    for (name, value) in properties {
        let taken = attribute(kind, name, value)
            .map(|it| put(&mut written, name, it))
            .or_else(|| parents(kind, name, value).map(|(of, it)| move_to(&mut written, of, it)));
        if taken.is_none() {
            ignored.push(name.clone());
        }
    }
    let entity = Entity::from_json_value(written, None)?;
    Entities::from_entities([entity.clone()], Some(bundle.schema()))?;
    Ok(Overlaid { entity, ignored })
}

fn attribute(kind: &Kind, name: &str, value: &Value) -> Option<Value> {
    kind.attributes.get(name)?.value(value)
}

/// The type that a property names, and those of it that the entity is to lie in.
fn parents<'a>(kind: &'a Kind, name: &str, value: &Value) -> Option<(&'a Named, Vec<Value>)> {
    let singular = |it: &&Named| snake(it.basename()) == name;
    let plural = |it: &&Named| format!("{}s", snake(it.basename())) == name;
    let of = kind.parents.iter().find(|it| singular(it) || plural(it))?;
    let ids: Option<Vec<&str>> = match value {
        Value::String(it) => Some(vec![it]),
        Value::Array(all) => all.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let parents: Option<Vec<Value>> = ids?.into_iter().map(|id| of.one(id)).collect();
    Some((of, parents?))
}

fn put(written: &mut Value, name: &str, value: Value) {
    if let Some(attributes) = written.get_mut("attrs").and_then(Value::as_object_mut) {
        attributes.insert(name.to_owned(), value);
    }
}

/// Into these, and out of all others of their type.
fn move_to(written: &mut Value, of: &Named, parents: Vec<Value>) {
    let Some(all) = written.get_mut("parents").and_then(Value::as_array_mut) else { return };
    all.retain(|it| type_of(it) != Some(of.name()));
    all.extend(parents);
}

/// Cedar writes a parent with or without an escape.
fn type_of(parent: &Value) -> Option<&str> {
    let plain: Option<&Map<_, _>> = parent.get("__entity").unwrap_or(parent).as_object();
    plain?.get("type")?.as_str()
}

/// `tool_set` of `ToolSet`: how AuthZEN's types and properties are written.
pub fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 2);
    for (at, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::uid::{Kind as Of, uid};

    fn user() -> Entity {
        let written = json!({
            "uid": { "type": "Gatewright::User", "id": "uma" },
            "attrs": { "state": { "__entity": { "type": "Gatewright::Lifecycle", "id": "active" } } },
            "parents": [
                { "type": "Gatewright::Role", "id": "user" },
                { "type": "Gatewright::Group", "id": "staff" },
            ],
        });
        Entity::from_json_value(written, None).unwrap()
    }

    fn over(properties: Value) -> (Value, Vec<String>) {
        let bundle = Bundle::starter().unwrap();
        let Value::Object(properties) = properties else { panic!("an object") };
        let it = overlaid((&uid(Of::User, "uma"), Some(&user())), &properties, &bundle).unwrap();
        (it.entity.to_json_value().unwrap(), it.ignored)
    }

    #[test]
    fn roles_are_replaced_and_groups_stay() {
        let (entity, ignored) = over(json!({ "role": "admin" }));
        let text = entity["parents"].to_string();
        assert!(text.contains("admin") && text.contains("staff"), "{text}");
        assert!(!text.contains("\"user\""), "{text}");
        assert!(ignored.is_empty());
    }

    #[test]
    fn what_the_schema_does_not_declare_is_ignored() {
        let (before, _) = over(json!({}));
        let (entity, ignored) =
            over(json!({ "role": "manager", "department": "Sales", "state": 7 }));
        assert_eq!(entity["attrs"], before["attrs"]);
        for kept in ["user", "staff"] {
            assert!(entity["parents"].to_string().contains(&format!("\"{kept}\"")), "{entity}");
        }
        assert_eq!(ignored, ["role", "department", "state"]);
    }

    #[test]
    fn an_attribute_is_read_as_its_type() {
        let (entity, _) = over(json!({ "state": "suspended" }));
        assert!(entity["attrs"]["state"].to_string().contains("suspended"));
    }

    #[test]
    fn an_entity_that_lacks_what_it_must_have_is_refused() {
        let bundle = Bundle::starter().unwrap();
        let nobody = uid(Of::User, "nobody");
        assert!(overlaid((&nobody, None), &Properties::new(), &bundle).is_err());
    }

    #[test]
    fn types_are_written_in_snake_case() {
        assert_eq!(snake("ToolSet"), "tool_set");
        assert_eq!(snake("Record"), "record");
    }
}
