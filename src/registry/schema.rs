//! What may be an `input_schema`: JSON Schema 2020-12 that stands on its own.

use serde_json::Value;

/// Deeper than any honest schema; keeps the checks below from being asked to recurse for ever.
const DEPTH_MAX: usize = 64;
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
        return faults;
    }
    for error in jsonschema::draft202012::meta::validator().iter_errors(schema) {
        faults.push((error.instance_path().to_string(), error.to_string()));
    }
    if faults.is_empty()
        && let Err(error) = compile(schema)
    {
        faults.push((error.instance_path().to_string(), error.to_string()));
    }
    faults
}

/// A validator for arguments. The regular expressions run in linear time, so no pattern can be a bomb.
pub fn compile(
    schema: &Value,
) -> Result<jsonschema::Validator, jsonschema::ValidationError<'static>> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(schema)
}

fn walk(value: &Value, pointer: &mut String, depth: usize, faults: &mut Vec<(String, String)>) {
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
