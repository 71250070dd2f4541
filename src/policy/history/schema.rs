//! The type `History` of the schema, made from the declaration.

use cedar_policy::SchemaFragment;
use serde_json::{Map, Value, json};

use super::super::fault::Fault;
use super::{Count, Fact};
use crate::authz::uid::NAMESPACE;

const TYPE: &str = "History";

/// `fragments` with the facts in the type `History`, which is empty where it is written.
pub(in super::super) fn declare(
    fragments: Vec<SchemaFragment>,
    facts: &[Fact],
    path: &str,
) -> Result<Vec<SchemaFragment>, Fault> {
    if facts.is_empty() {
        return Ok(fragments);
    }
    let mut found = false;
    let mut declared = Vec::with_capacity(fragments.len());
    for fragment in fragments {
        let mut json = fragment.clone().to_json_value().unwrap_or_default();
        match json.pointer_mut(&format!("/{NAMESPACE}/commonTypes/{TYPE}")) {
            Some(it) => {
                *it = json!({ "type": "Record", "attributes": attributes(facts) });
                found = true;
                let made = SchemaFragment::from_json_value(json);
                declared.push(made.map_err(|it| Fault::whole(path, it.to_string()))?);
            }
            None => declared.push(fragment),
        }
    }
    match found {
        true => Ok(declared),
        false => Err(Fault::whole(path, format!("the schema has no type `{TYPE}` for its facts"))
            .fixed_by("add `type History = {};` to the schema, and `history: History` to `CallCtx` and `CredCtx`")),
    }
}

fn attributes(facts: &[Fact]) -> Map<String, Value> {
    let kind = |it: &Fact| match it.count {
        Count::Calls | Count::Distinct(_) => json!({ "type": "Long" }),
        Count::Sum(_) => json!({ "type": "Extension", "name": "decimal" }),
    };
    facts.iter().map(|it| (it.name.clone(), kind(it))).collect()
}
