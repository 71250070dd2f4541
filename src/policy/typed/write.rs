//! Typed actions as schema text: what a bundle keeps, and what editors read.

use cedar_policy::SchemaFragment;
use serde_json::{Map, Value, json};

use super::declared::{Declarations, with_input};
use super::{Fields, Generated, PREFIX, Type, generate};
use crate::authz::uid::NAMESPACE;
use crate::policy::SourceFile;

const INPUT: &str = "Input";
const HEADER: &str =
    "// Generated from the tools' JSON Schemas by `gatewright policy schema`; do not edit.\n";

/// A schema file with an action for each of `tools`, in the pattern of the calls in `declared`.
///
/// # Errors
/// The schema declares no calls.
pub(in crate::policy) fn schema_file(
    tools: &[(String, Generated)],
    declared: &Declarations,
) -> Result<String, String> {
    let (actions, types) = parts(tools, declared)?;
    let mut namespaces = Map::from_iter([(NAMESPACE.to_owned(), actions)]);
    namespaces.extend(types);
    Ok(format!("{HEADER}{}{}", left_out(tools), text(Value::Object(namespaces))?))
}

/// The same for a schema that is given as files.
///
/// # Errors
/// The schema cannot be read, or declares no calls.
pub fn schema_of(tools: &[(String, Generated)], core: &[SourceFile]) -> Result<String, String> {
    schema_file(tools, &Declarations::of(&parsed(core)?))
}

fn parsed(files: &[SourceFile]) -> Result<Vec<SchemaFragment>, String> {
    let one = |it: &SourceFile| {
        let parsed = SchemaFragment::from_cedarschema_str(&it.text);
        parsed.map(|(it, _)| it).map_err(|error| format!("{}: {error}", it.path))
    };
    files.iter().map(one).collect()
}

/// The schema of `core` with an action for each of `tools` in it, as one text for an editor.
///
/// # Errors
/// The schema cannot be read, or declares no calls.
pub fn export(core: &[SourceFile], tools: &[(String, Generated)]) -> Result<String, String> {
    let (actions, types) = parts(tools, &Declarations::of(&parsed(core)?))?;
    let mut whole = String::new();
    let mut open = Some(text(json!({ NAMESPACE: actions }))?);
    for file in core {
        let declares = file.text.contains(&format!("namespace {NAMESPACE} {{"));
        match file.text.trim_end().strip_suffix('}').filter(|_| declares).zip(open.take()) {
            // Comments are worth more than order: the actions go to the end of the namespace.
            Some((before, actions)) => {
                let inside = actions.split_once('\n').map_or("", |(_, it)| it).trim_end();
                whole.push_str(&format!("{before}\n  // the calls of tools\n{inside}\n"));
            }
            None => whole.push_str(&file.text),
        }
    }
    if !types.is_empty() {
        whole.push('\n');
        whole.push_str(&left_out(tools));
        whole.push_str(&text(Value::Object(types))?);
    }
    match SchemaFragment::from_cedarschema_str(&whole) {
        Ok(_) => Ok(whole),
        Err(error) => Err(format!("the schema cannot be joined with that of the tools: {error}")),
    }
}

/// The actions of the tools, and the namespaces of their types.
fn parts(
    tools: &[(String, Generated)],
    declared: &Declarations,
) -> Result<(Value, Map<String, Value>), String> {
    let mut actions = Map::new();
    let mut types = Map::new();
    for (tool, generated) in tools {
        let namespace = generate::namespace(tool);
        let input = json!({ "type": "EntityOrCommon", "name": format!("{namespace}::{INPUT}") });
        let action = declared.pattern().and_then(|it| with_input(it, input));
        let action = action.ok_or("the schema declares no action `invoke` with a context")?;
        actions.insert(format!("{PREFIX}{tool}"), action);
        let mut words = Map::new();
        let record = record(&generated.input, &mut words);
        types.insert(
            namespace,
            json!({ "commonTypes": { INPUT: record }, "entityTypes": words, "actions": {} }),
        );
    }
    Ok((json!({ "entityTypes": {}, "actions": actions }), types))
}

/// A record as Cedar's JSON; the lists of words in it go to `words`.
fn record(fields: &Fields, words: &mut Map<String, Value>) -> Value {
    let attributes = fields.iter().map(|(name, field)| {
        let mut attribute = one(&field.of, words);
        if let Some(it) = attribute.as_object_mut()
            && !field.required
        {
            it.insert("required".to_owned(), false.into());
        }
        (name.clone(), attribute)
    });
    let attributes: Map<String, Value> = attributes.collect();
    json!({ "type": "Record", "attributes": attributes })
}

fn one(of: &Type, words: &mut Map<String, Value>) -> Value {
    let plain = |name: &str| json!({ "type": "EntityOrCommon", "name": name });
    match of {
        Type::Bool => plain("Bool"),
        Type::Long => plain("Long"),
        Type::Decimal => plain("decimal"),
        Type::Text => plain("String"),
        Type::OneOf(it) => {
            words.insert(it.name.basename().to_owned(), json!({ "enum": it.words }));
            plain(it.name.basename())
        }
        Type::Set(of) => json!({ "type": "Set", "element": one(of, words) }),
        Type::Record(fields) => record(fields, words),
    }
}

fn text(json: Value) -> Result<String, String> {
    let fragment = SchemaFragment::from_json_value(json).map_err(|it| it.to_string())?;
    fragment.to_cedarschema().map_err(|it| it.to_string())
}

/// What no rule can name, for whoever misses it.
fn left_out(tools: &[(String, Generated)]) -> String {
    let lines = tools.iter().flat_map(|(tool, it)| {
        it.left_out.iter().map(move |(pointer, why)| {
            format!("// {tool}: no type for {}: {why}\n", pointer.escape_debug())
        })
    });
    lines.collect()
}
