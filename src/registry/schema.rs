//! What may be an `input_schema`: JSON Schema 2020-12 that stands on its own.

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::effort;
use crate::error::FieldFault;

/// Deeper than any honest schema; keeps the checks below from being asked to recurse for ever.
const DEPTH_MAX: usize = 64;
/// Each pattern is compiled, which may take milliseconds however short it is.
const PATTERNS_MAX: usize = 64;
/// Bytes of a compiled pattern.
const PATTERN_SIZE_MAX: usize = 256 * 1024;
/// More faults than anybody mends at once.
const FAULTS_MAX: usize = 20;
const SENTENCE_CHARS_MAX: usize = 200;
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Says what is wrong with a schema, as (pointer below the schema, sentence).
///
/// References may only point into the schema itself: nothing is ever fetched from a network or a
/// file, neither here nor when arguments are checked.
pub fn faults(schema: &Value) -> Vec<(String, String)> {
    if !schema.is_object() {
        return vec![(String::new(), "must be a JSON Schema object".into())];
    }
    let mut faults = Vec::new();
    walk(schema, &mut String::new(), 0, &mut faults);
    if !faults.is_empty() {
        faults.truncate(FAULTS_MAX);
        return faults;
    }
    let rules = jsonschema::draft202012::meta::validator();
    faults.extend(rules.iter_errors(schema).take(FAULTS_MAX).map(|it| told(&it)));
    if faults.is_empty() {
        faults.extend(too_costly(schema).map(|it| (String::new(), it)));
    }
    if faults.is_empty() {
        faults.extend(compile(schema).err().map(|it| told(&it)));
    }
    faults
}

/// The error without all of what it complains about: that may be most of the schema.
fn told(error: &ValidationError<'_>) -> (String, String) {
    let sentence = error.to_string().chars().take(SENTENCE_CHARS_MAX).collect();
    (error.instance_path().to_string(), sentence)
}

/// What would keep the compiler busy for long; asked before it starts.
fn too_costly(schema: &Value) -> Option<String> {
    if patterns(schema) > PATTERNS_MAX {
        return Some(format!("has more than {PATTERNS_MAX} patterns"));
    }
    effort::fault(schema).map(str::to_owned)
}

/// How many regular expressions there are, at most.
fn patterns(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(patterns).sum(),
        Value::Object(members) => {
            let named = members.get("patternProperties").and_then(Value::as_object);
            let own = usize::from(members.get("pattern").is_some_and(Value::is_string));
            own + named.map_or(0, serde_json::Map::len)
                + members.values().map(patterns).sum::<usize>()
        }
        _ => 0,
    }
}

/// A validator for arguments. The regular expressions run in linear time and are bounded in size,
/// so no pattern can be a bomb.
pub fn compile(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_SIZE_MAX))
        .build(schema)
}

/// What is wrong with `arguments`, by JSON pointer below `/arguments`.
pub fn faults_in(validator: &Validator, arguments: &Value) -> Vec<FieldFault> {
    if validator.is_valid(arguments) {
        return Vec::new();
    }
    let told = |error: ValidationError<'_>| {
        let (pointer, detail) = told(&error);
        FieldFault { pointer: format!("/arguments{pointer}"), detail }
    };
    validator.iter_errors(arguments).take(FAULTS_MAX).map(told).collect()
}

fn walk(value: &Value, pointer: &mut String, depth: usize, faults: &mut Vec<(String, String)>) {
    // Pointers may be long, and nobody reads thousands of them.
    if faults.len() >= FAULTS_MAX {
        return;
    }
    if depth > DEPTH_MAX {
        faults.push((pointer.clone(), format!("is nested deeper than {DEPTH_MAX} levels")));
        return;
    }
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                below(pointer, &index.to_string(), |it| walk(item, it, depth + 1, faults));
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                below(pointer, key, |it| {
                    reference(key, member, it, faults);
                    walk(member, it, depth + 1, faults);
                });
            }
        }
        _ => {}
    }
}

fn reference(key: &str, member: &Value, pointer: &str, faults: &mut Vec<(String, String)>) {
    let Some(text) = member.as_str() else { return };
    match key {
        "$ref" | "$dynamicRef" if !text.starts_with('#') => faults.push((
            pointer.to_owned(),
            format!("`{text}` points outside the schema; only references that begin with `#` are followed"),
        )),
        "$schema" if text.trim_end_matches('#') != DIALECT => faults
            .push((pointer.to_owned(), format!("`{text}` is not the dialect; use `{DIALECT}`"))),
        _ => {}
    }
}

fn below(pointer: &mut String, token: &str, work: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
    work(pointer);
    pointer.truncate(length);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn accepts_an_ordinary_schema() {
        let schema = json!({
            "$schema": DIALECT,
            "type": "object",
            "properties": { "text": { "type": "string" }, "to": { "$ref": "#/$defs/language" } },
            "required": ["text"],
            "$defs": { "language": { "enum": ["de", "fr"] } },
        });
        assert_eq!(faults(&schema), []);
    }

    #[test]
    fn names_what_is_wrong_and_where() {
        let nested = (0..80).fold(json!({}), |it, _| json!({ "not": it }));
        let table = [
            (json!([]), "", "must be a JSON Schema object"),
            (json!({ "type": "strin" }), "/type", ""),
            (
                json!({ "properties": { "a": { "$ref": "https://evil.example/s" } } }),
                "/properties/a/$ref",
                "outside",
            ),
            (json!({ "$ref": "file:///etc/passwd" }), "/$ref", "outside"),
            (json!({ "$ref": "other.json#/a" }), "/$ref", "outside"),
            (
                json!({ "$schema": "http://json-schema.org/draft-07/schema#" }),
                "/$schema",
                "dialect",
            ),
            (json!({ "pattern": "(" }), "/pattern", ""),
            (json!({ "$ref": "#/$defs/absent" }), "", ""),
            (nested, "/not", "nested"),
        ];
        for (schema, pointer, sentence) in table {
            let faults = faults(&schema);
            let (at, text) = faults.first().unwrap_or_else(|| panic!("{schema} was accepted"));
            assert!(at.starts_with(pointer), "{schema}: {at}: {text}");
            assert!(text.contains(sentence), "{schema}: {at}: {text}");
        }
    }
}
