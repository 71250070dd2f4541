//! The schema of a bundle as it would be if a tool took other arguments.

use cedar_policy::{Schema, SchemaFragment};
use serde_json::Value;

use super::declared::{Declarations, based};
use super::{Generated, PREFIX, generate, schema_file};
use crate::authz::uid::NAMESPACE;
use crate::policy::history::declare;
use crate::policy::{Fact, SourceFile};

/// The schema of `files` with these types for the arguments of `tool`, whoever declared others.
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
        others.push(without(fragment, tool)?);
    }
    others.push(parsed(&SourceFile::new("generated", "tools.cedarschema", text))?);
    let others = declare(others, past, "schema").map_err(|it| it.problem)?;
    let (fragments, _) = based(others)?;
    Schema::from_schema_fragments(fragments).map_err(|it| it.to_string())
}

/// A fragment that says nothing of the calls of `tool`.
fn without(fragment: SchemaFragment, tool: &str) -> Result<SchemaFragment, String> {
    let mut json = fragment.clone().to_json_value().map_err(|it| it.to_string())?;
    let actions = json.get_mut(NAMESPACE).and_then(|it| it.get_mut("actions"));
    let action = format!("{PREFIX}{tool}");
    let declared = actions.and_then(Value::as_object_mut).and_then(|it| it.remove(&action));
    if declared.is_none() {
        return Ok(fragment);
    }
    if let Some(namespaces) = json.as_object_mut() {
        namespaces.remove(&generate::namespace(tool));
    }
    SchemaFragment::from_json_value(json).map_err(|it| it.to_string())
}
