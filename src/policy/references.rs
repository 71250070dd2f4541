//! Which attributes of entities are references, as the schema says: a person who writes
//! `owner = "alice"` means the user of that name.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::authz::uid::{Kind, NAMESPACE};

/// The kinds that attributes refer to, by the entity's kind and the attribute's name.
#[derive(Debug, Default)]
pub(super) struct References(HashMap<(Kind, String), Kind>);

impl References {
    /// Takes what `schema`, in Cedar's JSON, declares.
    pub(super) fn take(&mut self, schema: &Value) {
        let types = schema.get(NAMESPACE).and_then(|it| it.get("entityTypes"));
        for (name, declared) in types.and_then(Value::as_object).into_iter().flatten() {
            let attributes = declared.pointer("/shape/attributes").and_then(Value::as_object);
            let Some(kind) = Kind::named(name) else { continue };
            for (attribute, of) in attributes.into_iter().flatten() {
                if let Some(target) = target(of) {
                    self.0.insert((kind, attribute.clone()), target);
                }
            }
        }
    }

    /// The value of `attribute` as Cedar's entity JSON has it: ids become references where the
    /// schema wants some.
    pub(super) fn expressed(&self, kind: Kind, attribute: &str, value: &Value) -> Value {
        match self.0.get(&(kind, attribute.to_owned())) {
            Some(target) => referring(*target, value),
            None => value.clone(),
        }
    }
}

/// What a string, or each of a list of strings, refers to; anything else as it is.
pub(super) fn referring(target: Kind, value: &Value) -> Value {
    match value {
        Value::String(id) => json!({ "type": target.type_name().to_string(), "id": id }),
        Value::Array(items) => items.iter().map(|it| referring(target, it)).collect(),
        other => other.clone(),
    }
}

/// The kind that an attribute of this type, or its elements, refer to.
fn target(declared: &Value) -> Option<Kind> {
    if let Some(element) = declared.get("element") {
        return target(element);
    }
    let name = declared.get("name").or_else(|| declared.get("type"))?.as_str()?;
    Kind::named(name.rsplit("::").next()?)
}

#[cfg(test)]
mod tests {
    use cedar_policy::SchemaFragment;

    use super::*;

    #[test]
    fn ids_become_references_where_the_schema_has_entities() {
        let (fragment, _) = SchemaFragment::from_cedarschema_str(
            "namespace Gatewright {
               entity User; entity Scope; entity ToolSet;
               entity Tool in [ToolSet] = { owner?: User, scopes: Set<Scope>, title: String };
             }",
        )
        .unwrap();
        let mut references = References::default();
        references.take(&fragment.to_json_value().unwrap());
        let expressed = |name: &str, value: Value| references.expressed(Kind::Tool, name, &value);
        let alice = json!({ "type": "Gatewright::User", "id": "alice" });
        assert_eq!(expressed("owner", json!("alice")), alice);
        assert_eq!(expressed("owner", alice.clone()), alice, "Cedar's own form stays");
        let read = json!([{ "type": "Gatewright::Scope", "id": "read" }]);
        assert_eq!(expressed("scopes", json!(["read"])), read);
        assert_eq!(expressed("title", json!("User")), json!("User"));
    }
}
