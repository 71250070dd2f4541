//! One operation of an API, and the arguments that it takes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::resolve::Document;
use crate::registry::connection::{HttpMethod, Place};
use crate::registry::listed::tidy;

const JSON: &str = "application/json";
/// Headers that a document may name and that say nothing (OpenAPI 3.1, Parameter Object).
const IGNORED: [&str; 3] = ["accept", "content-type", "authorization"];
/// What a body is called that is no object.
const BODY: &str = "body";

pub(super) struct Operation<'a> {
    /// Its `operationId` unless that is too long, or else method and path.
    pub id: String,
    pub path: &'a str,
    pub method: HttpMethod,
    /// Parameters of the whole path.
    pub common: &'a [Value],
    pub item: &'a Map<String, Value>,
}

/// The arguments of a tool, and where they go.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub schema: Value,
    pub places: BTreeMap<String, Place>,
}

#[derive(Default)]
struct Draft {
    properties: Map<String, Value>,
    required: Vec<Value>,
    places: BTreeMap<String, Place>,
}

impl Operation<'_> {
    pub fn title(&self) -> String {
        tidy(self.text("summary"))
    }

    pub fn description(&self) -> String {
        tidy(match self.text("description") {
            "" => self.text("summary"),
            it => it,
        })
    }

    fn text(&self, key: &str) -> &str {
        self.item.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// # Errors
    /// Why the operation cannot be a tool.
    pub fn arguments(&self, document: &Document<'_>) -> Result<Arguments, String> {
        let mut draft = Draft::default();
        for parameter in self.parameters(document)? {
            self.parameter(parameter, document, &mut draft)?;
        }
        if let Some(body) = self.item.get("requestBody")
            && !self.method.asks_by_query()
        {
            self.body(document.follow(body)?, document, &mut draft)?;
        }
        let Draft { properties, required, places } = draft;
        let mut schema = json!({ "type": "object", "properties": properties });
        if let (false, Some(schema)) = (required.is_empty(), schema.as_object_mut()) {
            schema.insert("required".into(), required.into());
        }
        Ok(Arguments { schema, places })
    }

    /// Those of the path, unless the operation has its own of the same name and place.
    fn parameters<'b>(&'b self, document: &Document<'b>) -> Result<Vec<&'b Value>, String> {
        let own = self.item.get("parameters").and_then(Value::as_array);
        let all = self.common.iter().chain(own.into_iter().flatten());
        let mut found = BTreeMap::new();
        for it in all {
            document.spend(1, 0)?;
            let it = document.follow(it)?;
            let key = |name: &str| it.get(name).and_then(Value::as_str).unwrap_or_default();
            found.insert((key("name"), key("in")), it);
        }
        Ok(found.into_values().collect())
    }

    fn parameter(
        &self,
        it: &Value,
        document: &Document<'_>,
        draft: &mut Draft,
    ) -> Result<(), String> {
        let text = |key: &str| it.get(key).and_then(Value::as_str).unwrap_or_default();
        let (name, required) = (text("name"), it.get("required") == Some(&Value::Bool(true)));
        document.spend(0, name.len() + text("description").len())?;
        let place = match text("in") {
            "path" => None,
            "query" if self.method.asks_by_query() => None,
            "query" => Some(Place::Query),
            "header" if IGNORED.contains(&name.to_lowercase().as_str()) => return Ok(()),
            "header" => Some(Place::Header),
            _ if !required => return Ok(()),
            _ => return Err(format!("needs `{name}` in a place that no tool can fill")),
        };
        let schema = it.get("schema").or_else(|| it.pointer("/content/application~1json/schema"));
        let mut schema = document.schema(schema.unwrap_or(&Value::Bool(true)))?;
        describe(&mut schema, text("description"));
        draft.add(name, schema, place, required)
    }

    fn body(&self, body: &Value, document: &Document<'_>, draft: &mut Draft) -> Result<(), String> {
        let required = body.get("required") == Some(&Value::Bool(true));
        let content = body.get("content").and_then(|it| it.get(JSON));
        let Some(content) = content else {
            return if required { Err("takes a body that is not JSON".into()) } else { Ok(()) };
        };
        let schema = content.get("schema").unwrap_or(&Value::Bool(true));
        let schema = document.schema(schema)?;
        let members = schema.get("properties").and_then(Value::as_object);
        let apart = |it: &&Map<String, Value>| {
            schema.get("allOf").is_none() && it.keys().all(|it| !draft.properties.contains_key(it))
        };
        let Some(members) = members.filter(apart) else {
            return draft.add(BODY, schema.clone(), Some(Place::Body), required);
        };
        let needed = schema.get("required").and_then(Value::as_array);
        for (name, member) in members {
            let is_needed = required && needed.is_some_and(|it| it.contains(&json!(name)));
            draft.add(name, member.clone(), None, is_needed)?;
        }
        Ok(())
    }
}

impl Draft {
    fn add(
        &mut self,
        name: &str,
        schema: Value,
        place: Option<Place>,
        required: bool,
    ) -> Result<(), String> {
        if name.is_empty() || self.properties.insert(name.to_owned(), schema).is_some() {
            return Err(format!("has two arguments called `{name}`, or one without a name"));
        }
        self.places.extend(place.map(|it| (name.to_owned(), it)));
        self.required.extend(required.then(|| name.into()));
        Ok(())
    }
}

fn describe(schema: &mut Value, text: &str) {
    if let Some(it) = schema.as_object_mut()
        && !text.is_empty()
    {
        it.entry("description").or_insert_with(|| text.into());
    }
}
