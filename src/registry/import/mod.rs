//! Tools out of an OpenAPI 3 document: one for each operation.

mod operation;
mod resolve;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use self::operation::Operation;
use self::resolve::Document;
use super::connection::{Auth, Connection, HttpTool};
use super::definition::Definition;
use super::draft::NewTool;
use super::listed::{Unusable, distinct};
use crate::secrets::Change;
use crate::{Error, Result};

const OPERATIONS_MAX: usize = 256;

/// A document, and what its tools have in common.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportBody {
    /// An OpenAPI document, 3.0 or 3.1, complete in itself.
    pub document: Value,
    /// Where the API answers; that of the document's first server when left out.
    pub base_url: Option<String>,
    /// A tool of the type `http` from which all others are made: its name begins theirs; leave out
    /// `endpoint`, `method`, `argument_in`, `input_schema` and `description`.
    pub template: Map<String, Value>,
}

/// What comes of a document.
#[derive(Debug)]
pub struct Imported {
    pub definitions: Vec<Definition>,
    /// The secrets that each of the tools gets.
    pub secrets: Change,
    pub unusable: Vec<Unusable>,
}

impl ImportBody {
    /// The tools that the document describes.
    ///
    /// # Errors
    /// The document or the template cannot be used at all. An operation that cannot be a tool is
    /// told, and left out.
    pub fn read(self) -> Result<Imported> {
        let document =
            Document::read(&self.document).map_err(|detail| Error::field("/document", detail))?;
        let base = self.base(&document)?;
        let (template, secrets) = template(self.template, &base)?;
        let Connection::Http(http) = &template.connection else {
            return Err(Error::field("/template/tool_type", "must be `http`"));
        };
        let operations = document.operations();
        if operations.is_empty() || operations.len() > OPERATIONS_MAX {
            let detail = format!("must have 1 to {OPERATIONS_MAX} operations");
            return Err(Error::field("/document/paths", detail));
        }
        let ids: Vec<String> = operations.iter().map(|it| it.id.clone()).collect();
        let names = distinct(&format!("{}_", template.name), ids.iter().map(String::as_str));
        let (mut definitions, mut unusable) = (Vec::new(), Vec::new());
        for operation in operations {
            let name = names.get(operation.id.as_str()).cloned().unwrap_or_default();
            match define(&operation, &document, (&base, &http.auth), (&template, name)) {
                Ok(it) => definitions.push(it),
                Err(detail) => unusable.push(Unusable { name: operation.id, detail }),
            }
        }
        Ok(Imported { definitions, secrets, unusable })
    }

    fn base(&self, document: &Document<'_>) -> Result<String> {
        let (pointer, text) = match &self.base_url {
            Some(it) => ("/base_url", Some(it.as_str())),
            None => ("/document/servers", document.server()),
        };
        let url = text.and_then(|it| Url::parse(it).ok());
        let fits = |it: &Url| matches!(it.scheme(), "https" | "http") && it.query().is_none();
        match (url.filter(fits), text) {
            (Some(_), Some(text)) => Ok(text.trim_end_matches('/').to_owned()),
            _ => Err(Error::field(pointer, "must be a URL such as `https://api.example.com/v1`")),
        }
    }
}

/// The tool that all others are made from, checked as one that calls the bare API.
fn template(mut template: Map<String, Value>, base: &str) -> Result<(Definition, Change)> {
    let made = ["endpoint", "method", "argument_in", "input_schema", "description"];
    if let Some(field) = made.iter().find(|it| template.contains_key(**it)) {
        let pointer = format!("/template/{field}");
        return Err(Error::field(&pointer, "comes from the document; leave it out"));
    }
    template.insert("endpoint".into(), base.into());
    template.insert("input_schema".into(), Value::Object(Map::new()));
    template.entry("tool_type").or_insert_with(|| "http".into());
    let new: NewTool = serde_json::from_value(Value::Object(template))
        .map_err(|error| Error::field("/template", error.to_string()))?;
    new.definition()
}

fn define(
    operation: &Operation<'_>,
    document: &Document<'_>,
    (base, auth): (&str, &Auth),
    (template, name): (&Definition, String),
) -> Result<Definition, String> {
    let arguments = operation.arguments(document)?;
    let connection = Connection::Http(HttpTool {
        endpoint: format!("{base}{}", operation.path),
        method: operation.method,
        argument_in: arguments.places,
        auth: auth.clone(),
    });
    let definition = Definition {
        connection,
        name,
        display_name: operation.title(),
        description: operation.description(),
        input_schema: arguments.schema,
        ..template.clone()
    };
    definition.checked().map_err(|error| match error {
        Error::Invalid(faults) => {
            let first = faults.first().map(|it| format!("`{}` {}", it.pointer, it.detail));
            first.unwrap_or_default()
        }
        other => other.to_string(),
    })
}
