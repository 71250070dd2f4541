//! A document, and what its references stand for.

use std::cell::Cell;
use std::ptr;

use serde_json::{Map, Value, json};

use super::OPERATIONS_MAX;
use super::operation::Operation;
use crate::registry::connection::HttpMethod;

const METHODS: [(&str, HttpMethod); 6] = [
    ("get", HttpMethod::Get),
    ("head", HttpMethod::Head),
    ("post", HttpMethod::Post),
    ("put", HttpMethod::Put),
    ("patch", HttpMethod::Patch),
    ("delete", HttpMethod::Delete),
];
/// References in a row, and levels of a schema.
const DEPTH_MAX: usize = 50;
/// Values in all schemas of a document together, once everything that they refer to stands in them.
const NODES_MAX: usize = 20_000;
/// Of the texts in them, and the names.
const BYTES_MAX: usize = 1024 * 1024;
/// Regular expressions in them: each may take milliseconds to compile.
const PATTERNS_MAX: usize = 64;
/// A path item may stand for many paths, and what its operations are called is copied for each.
const ID_BYTES_MAX: usize = 1_000;
/// Values, not schemas.
const VERBATIM: [&str; 5] = ["enum", "const", "default", "example", "examples"];
/// Schemas by name.
const MAPS: [&str; 5] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

pub(super) struct Document<'a> {
    root: &'a Value,
    /// Whether schemas are those of 3.0, which are not quite JSON Schema.
    is_older: bool,
    /// What is left of [`NODES_MAX`].
    nodes: Cell<usize>,
    /// What is left of [`BYTES_MAX`].
    bytes: Cell<usize>,
    /// What is left of [`PATTERNS_MAX`].
    patterns: Cell<usize>,
}

impl<'a> Document<'a> {
    /// # Errors
    /// It is of no version that is known.
    pub fn read(root: &'a Value) -> Result<Document<'a>, String> {
        let version = root.get("openapi").and_then(Value::as_str).unwrap_or_default();
        match (version.starts_with("3.0."), version.starts_with("3.1.")) {
            (false, false) => Err("must be an OpenAPI document of version 3.0 or 3.1".into()),
            (is_older, _) => Ok(Document {
                root,
                is_older,
                nodes: Cell::new(NODES_MAX),
                bytes: Cell::new(BYTES_MAX),
                patterns: Cell::new(PATTERNS_MAX),
            }),
        }
    }

    /// Where its first server is.
    pub fn server(&self) -> Option<&'a str> {
        self.root.pointer("/servers/0/url")?.as_str()
    }

    /// All operations, or more than there may be.
    pub fn operations(&self) -> Vec<Operation<'a>> {
        let paths = self.root.get("paths").and_then(Value::as_object);
        let mut found = Vec::new();
        for (path, item) in paths.into_iter().flatten() {
            if found.len() > OPERATIONS_MAX {
                break;
            }
            let Some(item) = self.follow(item).ok().and_then(Value::as_object) else { continue };
            let common = item.get("parameters").and_then(Value::as_array);
            for (word, method) in METHODS {
                let Some(operation) = item.get(word).and_then(Value::as_object) else { continue };
                let id = operation.get("operationId").and_then(Value::as_str);
                let id = id.filter(|it| it.len() <= ID_BYTES_MAX);
                found.push(Operation {
                    id: id.map_or_else(|| format!("{word}{path}"), str::to_owned),
                    path,
                    method,
                    common: common.map(Vec::as_slice).unwrap_or_default(),
                    item: operation,
                });
            }
        }
        found
    }

    /// What a value stands for, if it is a reference. Nothing outside the document is looked at.
    ///
    /// # Errors
    /// The reference leads outside, nowhere, or round in a circle.
    pub fn follow(&self, value: &'a Value) -> Result<&'a Value, String> {
        let mut value = value;
        for _ in 0..DEPTH_MAX {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
                return Ok(value);
            };
            value = self.at(reference)?;
        }
        Err("has references that lead round in a circle".into())
    }

    fn at(&self, reference: &str) -> Result<&'a Value, String> {
        let shown: String = reference.chars().take(100).collect();
        let pointer = reference.strip_prefix('#');
        let pointer =
            pointer.ok_or_else(|| format!("refers to `{shown}`, outside the document"))?;
        let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
        self.root.pointer(&pointer).ok_or_else(|| format!("refers to `{shown}`, which is nowhere"))
    }

    /// Takes from what the schemas of the document may come to, before anything is copied.
    ///
    /// # Errors
    /// It is used up.
    pub fn spend(&self, nodes: usize, bytes: usize) -> Result<(), String> {
        let is_left = take(&self.nodes, nodes) && take(&self.bytes, bytes);
        is_left.then_some(()).ok_or_else(|| {
            format!(
                "has a schema that is too large: all of a document have at most {NODES_MAX} values \
                 and {BYTES_MAX} bytes of text, once what they refer to stands in them"
            )
        })
    }

    /// A schema that stands by itself, as JSON Schema 2020-12.
    ///
    /// # Errors
    /// It refers outside, nowhere or to itself, or is too large.
    pub fn schema(&self, schema: &'a Value) -> Result<Value, String> {
        self.unfold(schema, &mut Vec::new(), 0)
    }

    /// `path` are the references that lead here: one that is met again has no end.
    fn unfold(
        &self,
        schema: &'a Value,
        path: &mut Vec<&'a Value>,
        depth: usize,
    ) -> Result<Value, String> {
        self.spend(1, text_len(schema))?;
        if depth > DEPTH_MAX || path.iter().any(|it| ptr::eq(*it, schema)) {
            return Err("has a schema that refers to itself, or is nested too deep".into());
        }
        match schema {
            Value::Object(it) => match it.get("$ref").and_then(Value::as_str) {
                Some(reference) => {
                    self.spend(0, reference.len())?;
                    path.push(schema);
                    let unfolded = self.unfold(self.at(reference)?, path, depth + 1);
                    path.pop();
                    unfolded
                }
                None => self.members(it, path, depth).map(|it| self.modern(it)),
            },
            Value::Array(items) => {
                let items = items.iter().map(|it| self.unfold(it, path, depth + 1));
                items.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            other => Ok(other.clone()),
        }
    }

    fn members(
        &self,
        schema: &'a Map<String, Value>,
        path: &mut Vec<&'a Value>,
        depth: usize,
    ) -> Result<Map<String, Value>, String> {
        let mut unfolded = Map::new();
        for (key, value) in schema {
            self.spend(0, key.len())?;
            let value = match value {
                _ if VERBATIM.contains(&key.as_str()) => {
                    self.weigh(value)?;
                    value.clone()
                }
                Value::Object(named) if MAPS.contains(&key.as_str()) => {
                    if key == "patternProperties" {
                        self.compile(named.len())?;
                    }
                    self.spend(1, 0)?;
                    let mut schemas = Map::new();
                    for (name, it) in named {
                        self.spend(0, name.len())?;
                        schemas.insert(name.clone(), self.unfold(it, path, depth + 1)?);
                    }
                    Value::Object(schemas)
                }
                _ => {
                    self.compile(usize::from(key == "pattern" && value.is_string()))?;
                    self.unfold(value, path, depth + 1)?
                }
            };
            unfolded.insert(key.clone(), value);
        }
        Ok(unfolded)
    }

    /// Spends what a value comes to that is copied as it is.
    fn weigh(&self, value: &Value) -> Result<(), String> {
        self.spend(1, text_len(value))?;
        match value {
            Value::Array(items) => items.iter().try_for_each(|it| self.weigh(it)),
            Value::Object(members) => members.iter().try_for_each(|(key, it)| {
                self.spend(0, key.len())?;
                self.weigh(it)
            }),
            _ => Ok(()),
        }
    }

    /// Takes from the regular expressions that the document may have.
    fn compile(&self, patterns: usize) -> Result<(), String> {
        take(&self.patterns, patterns).then_some(()).ok_or_else(|| {
            format!("has too many patterns: all schemas of a document have at most {PATTERNS_MAX}")
        })
    }

    /// What 3.0 says in words of its own, in those of JSON Schema.
    fn modern(&self, mut schema: Map<String, Value>) -> Value {
        if !self.is_older {
            return Value::Object(schema);
        }
        for (flag, limit) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
            if let Some(Value::Bool(is_exclusive)) = schema.get(flag).cloned() {
                schema.remove(flag);
                let limit = if is_exclusive { schema.remove(limit) } else { None };
                schema.extend(limit.map(|it| (flag.to_owned(), it)));
            }
        }
        match schema.remove("nullable") {
            Some(Value::Bool(true)) => json!({ "anyOf": [schema, { "type": "null" }] }),
            _ => Value::Object(schema),
        }
    }
}

/// Whether so much was left; if not, nothing is taken.
fn take(left: &Cell<usize>, count: usize) -> bool {
    let rest = left.get().checked_sub(count);
    left.set(rest.unwrap_or(left.get()));
    rest.is_some()
}

fn text_len(value: &Value) -> usize {
    value.as_str().map_or(0, str::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(name: &str, schema: &Value) -> Value {
        json!({ "openapi": "3.1.0", name: schema })
    }

    #[test]
    fn values_that_are_copied_often_use_up_the_budget() {
        let members: Map<String, Value> =
            (0..1_000).map(|it| (format!("p{it}"), json!({ "$ref": "#/B" }))).collect();
        let mut root = root("A", &json!({ "properties": members }));
        for value in [json!(vec![json!([]); 40_000]), json!("x".repeat(2_000))] {
            root["B"] = json!({ "default": value });
            let document = Document::read(&root).unwrap();
            let refused = document.schema(&root["A"]).unwrap_err();
            assert!(refused.contains("too large"), "{refused}");
        }
    }

    #[test]
    fn all_schemas_of_a_document_share_its_budget() {
        let root = root("A", &json!({ "enum": vec![json!(1); NODES_MAX / 4] }));
        let document = Document::read(&root).unwrap();
        let fit = (0..10).filter(|_| document.schema(&root["A"]).is_ok()).count();
        assert_eq!(fit, 3);
    }

    #[test]
    fn all_schemas_of_a_document_share_its_patterns() {
        let schema = json!({ "pattern": "a", "patternProperties": { "b": {} } });
        let root = root("A", &schema);
        let document = Document::read(&root).unwrap();
        let fit = (0..PATTERNS_MAX).filter(|_| document.schema(&root["A"]).is_ok()).count();
        assert_eq!(fit, PATTERNS_MAX / 2);
        assert!(document.schema(&root["A"]).unwrap_err().contains("patterns"));
    }

    #[test]
    fn a_schema_that_refers_to_itself_leaves_room_for_others() {
        let again = json!({ "$ref": "#/A" });
        let root = root("A", &json!({ "properties": { "left": again, "right": again } }));
        let document = Document::read(&root).unwrap();
        for _ in 0..100 {
            let refused = document.schema(&root["A"]).unwrap_err();
            assert!(refused.contains("refers to itself"), "{refused}");
        }
        assert_eq!(document.schema(&json!({ "type": "string" })), Ok(json!({ "type": "string" })));
    }
}
