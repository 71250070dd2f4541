//! What policies would be held against if a tool took other arguments: its calls, and nothing else.

use cedar_policy::{Schema, SchemaFragment};
use serde_json::Value;

use super::declared::{Declarations, based};
use super::{Generated, PREFIX, generate, schema_file};
use crate::authz::uid::NAMESPACE;
use crate::policy::history::declare;
use crate::policy::{Fact, SourceFile};

/// The schema of `files` in which nothing can be asked but the call of `tool`, with these types for
/// its arguments. The other actions stay known: policies name them.
///
/// # Errors
/// What does not make a schema.
pub(in crate::policy) fn schema_with(
    files: &[SourceFile],
    tool: &str,
    generated: Generated,
    past: &[Fact],
) -> Result<Schema, String> {
    let parsed = |it: &SourceFile| {
        let parsed = SchemaFragment::from_cedarschema_str(&it.text);
        parsed.map(|(it, _)| it).map_err(|it| it.to_string())
    };
    let fragments = files.iter().map(parsed).collect::<Result<Vec<_>, _>>()?;
    let text = schema_file(&[(tool.to_owned(), generated)], &Declarations::of(&fragments))?;
    let mut others = Vec::with_capacity(fragments.len() + 1);
    for fragment in fragments {
        others.push(alone(fragment, tool)?);
    }
    others.push(parsed(&SourceFile::new("generated", "tools.cedarschema", text))?);
    let others = declare(others, past, "schema").map_err(|it| it.problem)?;
    let (fragments, _) = based(others)?;
    Schema::from_schema_fragments(fragments).map_err(|it| it.to_string())
}

/// A fragment in which nothing can be asked, and that does not know the calls of `tool`.
fn alone(fragment: SchemaFragment, tool: &str) -> Result<SchemaFragment, String> {
    let mut json = fragment.to_json_value().map_err(|it| it.to_string())?;
    let actions = json.get_mut(NAMESPACE).and_then(|it| it.get_mut("actions"));
    if let Some(actions) = actions.and_then(Value::as_object_mut) {
        let declared = actions.remove(&format!("{PREFIX}{tool}"));
        for action in actions.values_mut().filter_map(Value::as_object_mut) {
            action.remove("appliesTo");
        }
        if let (true, Some(namespaces)) = (declared.is_some(), json.as_object_mut()) {
            namespaces.remove(&generate::namespace(tool));
        }
    }
    SchemaFragment::from_json_value(json).map_err(|it| it.to_string())
}
