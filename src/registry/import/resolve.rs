//! A document, and what its references stand for.

use serde_json::{Map, Value, json};

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
/// Of one schema, once everything that it refers to stands in it.
const NODES_MAX: usize = 5_000;
/// Values, not schemas.
const VERBATIM: [&str; 5] = ["enum", "const", "default", "example", "examples"];
/// Schemas by name.
const MAPS: [&str; 5] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

pub(super) struct Document<'a> {
    root: &'a Value,
    /// Whether schemas are those of 3.0, which are not quite JSON Schema.
    is_older: bool,
}

impl<'a> Document<'a> {
    /// # Errors
    /// It is of no version that is known.
    pub fn read(root: &'a Value) -> Result<Document<'a>, String> {
        let version = root.get("openapi").and_then(Value::as_str).unwrap_or_default();
        match (version.starts_with("3.0."), version.starts_with("3.1.")) {
            (false, false) => Err("must be an OpenAPI document of version 3.0 or 3.1".into()),
            (is_older, _) => Ok(Document { root, is_older }),
        }
    }

    /// Where its first server is.
    pub fn server(&self) -> Option<&'a str> {
        self.root.pointer("/servers/0/url")?.as_str()
    }

    pub fn operations(&self) -> Vec<Operation<'a>> {
        let paths = self.root.get("paths").and_then(Value::as_object);
        let mut found = Vec::new();
        for (path, item) in paths.into_iter().flatten() {
            let Some(item) = self.follow(item).ok().and_then(Value::as_object) else { continue };
            let common = item.get("parameters").and_then(Value::as_array);
            for (word, method) in METHODS {
                let Some(operation) = item.get(word).and_then(Value::as_object) else { continue };
                let id = operation.get("operationId").and_then(Value::as_str);
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

    /// A schema that stands by itself, as JSON Schema 2020-12.
    ///
    /// # Errors
    /// It refers outside, nowhere or to itself, or is too large.
    pub fn schema(&self, schema: &'a Value) -> Result<Value, String> {
        let mut budget = NODES_MAX;
        self.unfold(schema, 0, &mut budget)
    }

    fn unfold(&self, schema: &'a Value, depth: usize, budget: &mut usize) -> Result<Value, String> {
        *budget = budget.checked_sub(1).ok_or("has a schema that is too large")?;
        if depth > DEPTH_MAX {
            return Err("has a schema that refers to itself, or is nested too deep".into());
        }
        match schema {
            Value::Object(it) => match it.get("$ref").and_then(Value::as_str) {
                Some(reference) => self.unfold(self.at(reference)?, depth + 1, budget),
                None => self.members(it, depth, budget).map(|it| self.modern(it)),
            },
            Value::Array(items) => {
                let items = items.iter().map(|it| self.unfold(it, depth + 1, budget));
                items.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            other => Ok(other.clone()),
        }
    }

    fn members(
        &self,
        schema: &'a Map<String, Value>,
        depth: usize,
        budget: &mut usize,
    ) -> Result<Map<String, Value>, String> {
        let mut unfolded = Map::new();
        for (key, value) in schema {
            let value = match value {
                _ if VERBATIM.contains(&key.as_str()) => value.clone(),
                Value::Object(named) if MAPS.contains(&key.as_str()) => {
                    let mut schemas = Map::new();
                    for (name, it) in named {
                        schemas.insert(name.clone(), self.unfold(it, depth + 1, budget)?);
                    }
                    Value::Object(schemas)
                }
                _ => self.unfold(value, depth + 1, budget)?,
            };
            unfolded.insert(key.clone(), value);
        }
        Ok(unfolded)
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
