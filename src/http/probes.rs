//! Looking at MCP servers, and what comes of it: `test-connection`, `reprobe`, `probes`, `accept`.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use super::list::Page;
use super::tools;
use super::typed::expect_fit;
use crate::authn::Caller;
use crate::authz::{Permit, Warrant};
use crate::gateway::mcp::ListedTool;
use crate::registry::{
    AcceptTool, Connection, Definition, Effects, Found, ListProbes, ProbeTool, ProbeView, Remote,
    TestConnection, Tool, ToolPatch, Transport, Unusable, accepted,
};
use crate::secrets::{Change, SecretPath, Values};
use crate::{App, Error, Result};

/// A server to look at, as it would be registered.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestConnectionBody {
    server_url: String,
    transport_preference: Option<Transport>,
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    static_headers: Option<BTreeMap<String, Option<SecretString>>>,
    auth_method: Option<String>,
    auth_config: Option<Value>,
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    secrets: Option<BTreeMap<String, Option<SecretString>>>,
}

/// What a server was found to be.
#[derive(Serialize, JsonSchema)]
pub struct FoundView {
    #[serde(flatten)]
    probe: ProbeView,
    /// Its tools, as it describes them; left out where it lists them to nobody without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Vec<ListedTool>>,
    /// Names of tools that were registered as drafts.
    added: Vec<String>,
    /// Names of tools that are not what they were, and were taken out of use.
    quarantined: Vec<String>,
    /// Tools that cannot be registered.
    unusable: Vec<UnusableView>,
}

#[derive(Serialize, JsonSchema)]
pub struct UnusableView {
    name: String,
    detail: String,
}

impl UnusableView {
    pub fn of(it: &Unusable) -> UnusableView {
        UnusableView { name: it.name.clone(), detail: it.detail.clone() }
    }
}

pub fn parse_test(call: &Call) -> Result<TestConnection> {
    let body: TestConnectionBody = call.json()?;
    let patch = ToolPatch {
        server_url: Some(body.server_url),
        transport_preference: body.transport_preference,
        static_headers: body.static_headers,
        auth_method: body.auth_method,
        auth_config: body.auth_config,
        secrets: body.secrets,
        ..ToolPatch::default()
    };
    let (server, secrets) = patch.server()?;
    Ok(TestConnection { server, secrets })
}

/// Looks at a server and registers nothing.
pub async fn test(app: Arc<App>, permit: Permit<TestConnection>) -> Result<Response> {
    let TestConnection { server, secrets } = permit.action();
    let values = secrets.clone().applied(Values::default());
    let found = app.prober.probe_for((permit.caller(), permit.warrant()), server, &values).await?;
    Ok(json(&view(&found, Effects::default())).into_response())
}

pub fn parse_reprobe(call: &Call) -> Result<ProbeTool> {
    call.empty()?;
    Ok(ProbeTool { tool: call.id("tool")? })
}

/// Looks at a registered server again; asked of one of its tools, at the server of that.
pub async fn reprobe(app: Arc<App>, permit: Permit<ProbeTool>) -> Result<Response> {
    let server = server_of(&app, permit.resource());
    let remote = remote(&server.definition)?;
    let (caller, _, _, warrant) = permit.spend();
    let secrets = app.secrets.read(&warrant, SecretPath::tool(server.id)).await?;
    let found = app.prober.probe_for((&caller, &warrant), remote, &secrets).await?;
    let effects = app.registry.probed(&warrant, &server, found.clone()).await?;
    Ok(json(&view(&found, effects)).into_response())
}

pub fn parse_list(call: &Call) -> Result<ListProbes> {
    let (before, page_size) = call.page()?;
    Ok(ListProbes { tool: call.id("tool")?, before, page_size })
}

/// What looks at the server found, newest first.
pub async fn list(app: Arc<App>, permit: Permit<ListProbes>) -> Result<Response> {
    let server = server_of(&app, permit.resource());
    let ListProbes { before, page_size, .. } = *permit.action();
    let probes = app.history.probes(permit.warrant(), server.id, before, page_size + 1).await?;
    let more = probes.len() > page_size;
    let shown = probes.get(..page_size.min(probes.len())).unwrap_or_default();
    let last = shown.last().filter(|_| more).map(|it| it.id.to_string());
    let items: Vec<ProbeView> = shown.iter().map(ProbeView::from).collect();
    Ok(json(&Page { items, next_page_token: last.unwrap_or_default() }).into_response())
}

pub fn parse_accept(call: &Call) -> Result<AcceptTool> {
    call.empty()?;
    Ok(AcceptTool { tool: call.id("tool")?, if_match: call.if_match()? })
}

/// Takes the definition that a quarantined tool has now for good.
pub async fn accept(app: Arc<App>, permit: Permit<AcceptTool>) -> Result<Response> {
    let next = accepted(permit.resource())?;
    expect_fit(&app.authz, Some(permit.resource()), &next).await?;
    let tool = app.registry.accept(permit).await?;
    Ok(tools::show(&tool))
}

/// Looks at the server that a tool is to stand for from now on, if it is one.
///
/// # Errors
/// [`Error::ProbeFailed`]: what cannot be used is not registered.
pub async fn look(
    app: &App,
    by: (&Caller, &Warrant),
    definition: &Definition,
    secrets: &Values,
) -> Result<Option<Found>> {
    match &definition.connection {
        Connection::Remote(server) if definition.connection.is_server() => {
            app.prober.expect_for(by, server, secrets).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// The same for a tool that changes, if how its server is reached changes with it.
pub async fn look_again(
    app: &App,
    by: (&Caller, &Warrant),
    tool: &Tool,
    (next, change): (&Definition, &Change),
) -> Result<Option<Found>> {
    let same = next.connection == tool.definition.connection && change.is_empty();
    if same || !next.connection.is_server() {
        return Ok(None);
    }
    let kept = app.secrets.read(by.1, SecretPath::tool(tool.id)).await?;
    look(app, by, next, &change.clone().applied(kept)).await
}

fn server_of(app: &App, tool: &Arc<Tool>) -> Arc<Tool> {
    app.registry.catalogue().server_of(tool).unwrap_or(tool).clone()
}

fn remote(definition: &Definition) -> Result<&Remote> {
    match &definition.connection {
        Connection::Remote(it) => Ok(it),
        _ => Err(Error::internal("what is probed is no server")),
    }
}

fn view(found: &Found, effects: Effects) -> FoundView {
    FoundView {
        probe: ProbeView::from(&found.probed),
        tools: found.tools.clone().filter(|_| found.probed.ok),
        added: effects.added,
        quarantined: effects.quarantined,
        unusable: effects.unusable.iter().map(UnusableView::of).collect(),
    }
}
