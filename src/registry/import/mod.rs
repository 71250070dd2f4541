//! Tools out of an OpenAPI 3 document: one for each operation.

mod operation;
mod resolve;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
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
/// Documents that are read at a time: each keeps a processor busy.
const TURNS_MAX: usize = 2;
/// For a turn, and then for the reading.
const TIME_MAX: Duration = Duration::from_secs(10);
/// What is not available when that is not enough.
const WHAT: &str = "the reader of documents";

/// One count for the whole process: it is the processors that are shared.
static TURNS: Semaphore = Semaphore::const_new(TURNS_MAX);

/// A document, and what its tools have in common.
#[derive(Deserialize, JsonSchema)]
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

impl fmt::Debug for ImportBody {
    /// Nothing of it: the template holds secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ImportBody").finish_non_exhaustive()
    }
}

/// What comes of a document.
#[derive(Debug)]
pub struct Imported {
    pub definitions: Vec<Definition>,
    /// The secrets that each of the tools gets.
    pub secrets: Change,
    pub unusable: Vec<Unusable>,
}

/// The tools that a document describes. They are found on a thread of their own, a few documents at
/// a time, because schemas take long to compile; a turn ends with its thread, whoever still waits.
///
/// # Errors
/// Those of [`ImportBody::read`], and [`Error::Unavailable`] when it takes too long.
pub(super) async fn read(body: Arc<ImportBody>) -> Result<Imported> {
    let late = |_: Elapsed| Error::Unavailable { what: WHAT };
    let turn = timeout(TIME_MAX, TURNS.acquire()).await.map_err(late)?;
    let turn = turn.map_err(anyhow::Error::from)?;
    let reading = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        body.read()
    });
    timeout(TIME_MAX, reading).await.map_err(late)?.map_err(anyhow::Error::from)?
}

impl ImportBody {
    /// The tools that the document describes.
    ///
    /// # Errors
    /// The document or the template cannot be used at all, or takes too long. An operation that
    /// cannot be a tool is told, and left out.
    fn read(&self) -> Result<Imported> {
        let begun = Instant::now();
        let document =
            Document::read(&self.document).map_err(|detail| Error::field("/document", detail))?;
        let base = self.base(&document)?;
        let (template, secrets) = template(self.template.clone(), &base)?;
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
            // Nobody waits any more.
            if begun.elapsed() > TIME_MAX {
                return Err(Error::Unavailable { what: WHAT });
            }
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
