//! Asks an MCP server what it is and which tools it has.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use rmcp::model::{Implementation, JsonObject, ListToolsResult, PaginatedRequestParams, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::budget::{Budget, Limits};
use super::failure::Failure;
use super::lifecycle::{self, Begun};
use super::line::Line;
use super::scrubbed::scrubbed;
use super::session::{Aside, Question, Session};
use super::target::{Dialect, Target};
use super::{Client, call};
use crate::authz::Warrant;
use crate::secrets::Scrubber;

/// Pages of one list; whoever needs more has made them too small, or without end.
const PAGES_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 128;

/// What a probe found out, even where it failed half-way.
#[derive(Debug, Default)]
pub struct Probe {
    pub dialect: Option<Dialect>,
    pub server_info: Option<Implementation>,
    /// Whether the server asked for credentials, or for others: then nothing else is known of it.
    pub requires_auth: bool,
    /// Where it says how to get them (RFC 9728).
    pub resource_metadata: Option<String>,
    /// From the first look-up until the server had answered what it speaks.
    pub response_time: Duration,
    /// In the server's order.
    pub tools: Vec<ListedTool>,
    /// Why the server cannot be used; a wish for credentials is no such thing.
    pub failure: Option<Failure>,
}

impl Probe {
    /// Of a server that there is no way to ask.
    pub fn unreadable() -> Probe {
        let failure = Some(Failure::Protocol("its address or its headers cannot be sent"));
        Probe { failure, ..Probe::default() }
    }

    pub fn is_ok(&self) -> bool {
        self.failure.is_none()
    }

    /// The same without the values that the server was shown: it is kept, and shown to others.
    pub fn scrubbed(self, scrubber: &Scrubber) -> Probe {
        let failure = self.failure.map(|it| match it {
            Failure::Rpc(error) => scrubbed(&error, scrubber)
                .map_or(Failure::Protocol("its error says what is secret"), Failure::Rpc),
            other => other,
        });
        Probe {
            server_info: self.server_info.and_then(|it| scrubbed(&it, scrubber)),
            resource_metadata: self.resource_metadata.map(|it| scrubber.text(&it).into_owned()),
            tools: self.tools.into_iter().filter_map(|it| it.scrubbed(scrubber)).collect(),
            failure,
            ..self
        }
    }
}

/// A tool as its server describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListedTool {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default)]
    pub description: String,
    pub input_schema: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// What the server claims of the tool's effects. Nobody has to believe it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Value>,
}

impl ListedTool {
    /// The same without the values. None where its name shows one: by another name its server does
    /// not know it.
    fn scrubbed(mut self, scrubber: &Scrubber) -> Option<ListedTool> {
        if matches!(scrubber.text(&self.name), Cow::Owned(_)) {
            return None;
        }
        for text in [Some(&mut self.description), self.title.as_mut()].into_iter().flatten() {
            if let Cow::Owned(clean) = scrubber.text(text) {
                *text = clean;
            }
        }
        let schemas = [Some(&mut self.input_schema), self.output_schema.as_mut()];
        for value in schemas.into_iter().chain([self.annotations.as_mut()]).flatten() {
            scrubber.json(value);
        }
        Some(self)
    }
}

impl Client {
    /// Talks to the server until all of its tools are known. Never fails: what went wrong is part of
    /// what was found out.
    pub async fn probe(&self, warrant: &Warrant, target: &Target, limits: Limits) -> Probe {
        let budget = Budget::start(self.clock.clone(), limits);
        let line = Line { outbound: &self.outbound, warrant, target, budget };
        let mut probe = Probe::default();
        let start = self.clock.monotonic();
        let outcome = match call::within(&line, lifecycle::ask(&line)).await {
            Ok(Begun { mut session, server_info }) => {
                probe.response_time = start.elapsed();
                probe.dialect = Some(session.dialect());
                probe.server_info = server_info;
                let listed = call::within(&line, tools(&line, &mut session)).await;
                session.close().await;
                listed.map(|it| probe.tools = it)
            }
            Err(failure) => {
                probe.response_time = start.elapsed();
                Err(failure)
            }
        };
        match outcome {
            Ok(()) => {}
            Err(Failure::Unauthorized { resource_metadata, .. }) => {
                probe.requires_auth = true;
                probe.resource_metadata = resource_metadata;
            }
            Err(failure) => probe.failure = Some(failure),
        }
        probe
    }
}

async fn tools(line: &Line<'_>, session: &mut Session<'_>) -> Result<Vec<ListedTool>, Failure> {
    let (mut tools, mut names, mut params) = (Vec::new(), BTreeSet::new(), JsonObject::new());
    for _ in 0..PAGES_MAX {
        let question = Question::new("tools/list", params);
        let result = session.ask(&question, &mut Aside::new(None)).await?;
        let page: ListToolsResult = serde_json::from_value(result)
            .map_err(|_| Failure::Protocol("its list of tools cannot be read"))?;
        for tool in page.tools {
            let tool = listed(tool)?;
            if !names.insert(tool.name.clone()) {
                return Err(Failure::Protocol("two of its tools have one name"));
            }
            tools.push(tool);
        }
        if tools.len() > line.budget.tools_max() {
            return Err(Failure::Protocol("it lists more tools than are allowed"));
        }
        let Some(cursor) = page.next_cursor else { return Ok(tools) };
        let next = PaginatedRequestParams::default().with_cursor(Some(cursor));
        params = lifecycle::object(&next)?;
    }
    Err(Failure::Protocol("its list of tools has no end"))
}

fn listed(tool: Tool) -> Result<ListedTool, Failure> {
    if tool.name.is_empty() || tool.name.chars().count() > NAME_CHARS_MAX {
        return Err(Failure::Protocol("a tool has no name, or a very long one"));
    }
    let title = tool.title.or_else(|| tool.annotations.as_ref().and_then(|it| it.title.clone()));
    Ok(ListedTool {
        name: tool.name.into_owned(),
        title,
        description: tool.description.unwrap_or_default().into_owned(),
        input_schema: schema(&tool.input_schema),
        output_schema: tool.output_schema.as_deref().map(schema),
        annotations: tool.annotations.and_then(|it| serde_json::to_value(it).ok()),
    })
}

fn schema(schema: &JsonObject) -> Value {
    Value::Object(schema.clone())
}
