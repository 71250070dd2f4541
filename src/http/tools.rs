//! `/api/v1/tools`

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;

use super::call::Call;
use super::list::{created, no_content, page, tagged, time};
use super::probes;
use super::typed::expect_fit;
use crate::authn::Caller;
use crate::authz::facts::Particulars;
use crate::authz::{Action as _, Permit, Visible, Warrant};
use crate::registry::{
    ActivateTool, Auth, Change, CreateTool, DeactivateTool, Decided, Definition, DeleteTool,
    HEADER, ListTools, Masked, New, NewTool, ProbeView, ShowTool, State, Tool, ToolPatch,
    UpdateTool,
};
use crate::secrets::{self, SecretName, SecretPath, Values};
use crate::{App, Error, Result};

#[derive(Serialize, JsonSchema)]
pub struct ToolView {
    id: Uuid,
    #[serde(flatten)]
    definition: Definition,
    /// Names of the secrets that are kept for it, each with a mask in the place of its value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    secrets: BTreeMap<String, Masked>,
    is_active: bool,
    /// `draft`, `active`, `deactivated` or `quarantined`. A tool of a server has no better one than
    /// its server.
    state: &'static str,
    owner: Uuid,
    /// What the server was found to be when it was last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<ProbeView>,
    /// Until when the last look at the server is believed; afterwards the tool cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    probe_valid_until: Option<Timestamp>,
    /// What its server changed; the tool is out of use until somebody accepts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine: Option<QuarantineView>,
    /// SHA-256 over the canonical JSON of the definition; credentials are pinned to it.
    digest: String,
    revision: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize, JsonSchema)]
pub struct QuarantineView {
    since: Timestamp,
    /// Whether there is something to accept; otherwise the server has the tool no more.
    can_be_accepted: bool,
    diff: Vec<Change>,
}

/// Filters of the list, for the API document.
pub const FILTERS: &[(&str, &str)] = &[
    ("tool_type", "Only tools of this type."),
    ("risk_level", "Only tools of this risk level."),
    ("is_active", "`true` or `false`."),
    ("tag", "Only tools with this tag."),
    ("scope", "Only tools that offer or require this scope."),
    ("owner", "Only tools of this user."),
    ("server", "Only tools of this MCP server."),
    ("q", "Words of a name, display name, description or tag; what fits best comes first."),
    ("page_size", "1 to 200, 50 by default."),
    ("page_token", "`next_page_token` of the page before."),
    ("page", "The number of the page, from 1, instead of a token."),
];

pub fn parse_create(call: &Call) -> Result<CreateTool> {
    let (definition, secrets) = call.json::<NewTool>()?.definition()?;
    Ok(CreateTool { definition, secrets })
}

/// A tool begins active when its publisher could activate it, and as a draft when somebody else must.
pub async fn create(app: Arc<App>, permit: Permit<CreateTool>) -> Result<Response> {
    let owner = permit.caller().principal().id();
    expect_fit(&app.authz, None, &permit.action().definition).await?;
    let state = state_for(&app, permit.caller(), owner, permit.action().definition.clone())?;
    let (id, action) = (app.clock.new_id(), permit.action());
    let CreateTool { definition, secrets } = action;
    leasable(&app, definition)?;
    let by = (permit.caller(), permit.warrant());
    let values = secrets.clone().applied(Values::default());
    let found = probes::look(&app, by, definition, &values).await?;
    let secrets = app.secrets.stage(by.1, SecretPath::tool(id), secrets.clone()).await?;
    let decided = Decided { state, found, secrets };
    let tool = app.registry.create(permit, New { id, decided }).await?;
    Ok(created(show(&tool), &format!("/api/v1/tools/{}", tool.id)))
}

/// What becomes of a tool that gets this definition and these secrets: whether it stays active, and
/// what its server is found to be.
pub(super) async fn decide(
    app: &App,
    by: (&Caller, &Warrant),
    tool: &Tool,
    (definition, change): (&Definition, secrets::Change),
) -> Result<Decided> {
    expect_fit(&app.authz, Some(tool), definition).await?;
    let state = state_for(app, by.0, tool.owner, definition.clone())?;
    leasable(app, definition)?;
    // Secrets were given for where the tool was; whoever is elsewhere gets none of them.
    let moved = definition.connection.leads_elsewhere(&tool.definition.connection);
    let change = if moved { change.alone(&tool.secrets) } else { change };
    let found = probes::look_again(app, by, tool, (definition, &change)).await?;
    let mut secrets = app.secrets.stage(by.1, SecretPath::tool(tool.id), change).await?;
    if moved {
        secrets.statements.extend(app.secrets.forget_accounts(by.1, tool.id));
    }
    Ok(Decided { state, found, secrets })
}

/// The state of a tool with this definition: active if the caller could activate it.
pub(super) fn state_for(
    app: &App,
    caller: &Caller,
    owner: Uuid,
    definition: Definition,
) -> Result<State> {
    let draft = Arc::new(Tool::new(Uuid::nil(), owner, definition, State::Draft, 0)?);
    let particulars = Particulars::Admin { approval: None };
    let active = app.authz.would_allow(caller, ActivateTool::NAME, &draft, &particulars)?;
    Ok(if active { State::Active } else { State::Draft })
}

/// Refuses a path to lease from that the operator has not opened to tools.
fn leasable(app: &App, definition: &Definition) -> Result<()> {
    let Auth::Vault(lease) = definition.connection.auth() else { return Ok(()) };
    let path = app.secrets.lease_path(&lease.path);
    path.map(drop).map_err(|it| Error::field("/auth_config/path", it.to_string()))
}

pub fn parse_list(call: &Call) -> Result<ListTools> {
    let mut query = call.query();
    let page_size = query.page_size();
    let number = query.parsed::<usize>("page", "a number from 1").unwrap_or(1);
    if !(1..=1_000_000).contains(&number) {
        query.fault("page", "must be from 1 to 1000000");
    }
    let list = ListTools {
        tool_type: query.word("tool_type"),
        server: query.parsed("server", "the id of a server"),
        risk_level: query.word("risk_level"),
        is_active: query.parsed("is_active", "`true` or `false`"),
        tag: query.text("tag").map(str::to_owned),
        scope: query.text("scope").map(str::to_owned),
        owner: query.parsed("owner", "the id of a user"),
        q: query.text("q").map(str::to_owned),
        after: query.parsed("page_token", "a token from the page before"),
        skip: number.saturating_sub(1).saturating_mul(page_size),
        page_size,
        scores: Default::default(),
    };
    query.end()?;
    Ok(list)
}

pub fn list(visible: &Visible<ListTools>) -> Response {
    page(visible, |it| view(it))
}

pub fn parse_show(call: &Call) -> Result<ShowTool> {
    Ok(ShowTool { tool: call.id("tool")? })
}

pub async fn get(_: Arc<App>, permit: Permit<ShowTool>) -> Result<Response> {
    Ok(show(permit.resource()))
}

pub fn parse_update(call: &Call) -> Result<UpdateTool> {
    let patch: ToolPatch = call.json()?;
    Ok(UpdateTool { tool: call.id("tool")?, patch, if_match: call.if_match()? })
}

/// A change must not make an active tool one that its changer may not activate: it becomes a draft.
pub async fn update(app: Arc<App>, permit: Permit<UpdateTool>) -> Result<Response> {
    let (tool, patch) = (permit.resource(), &permit.action().patch);
    let by = (permit.caller(), permit.warrant());
    let definition = patch.apply(&tool.definition)?;
    let decided = decide(&app, by, tool, (&definition, patch.change(&tool.secrets)?)).await?;
    let tool = app.registry.update(permit, decided).await?;
    Ok(show(&tool))
}

pub fn parse_activate(call: &Call) -> Result<ActivateTool> {
    call.empty()?;
    Ok(ActivateTool { tool: call.id("tool")?, if_match: call.if_match()? })
}

pub async fn activate(app: Arc<App>, permit: Permit<ActivateTool>) -> Result<Response> {
    let tool = app.registry.activate(permit).await?;
    Ok(show(&tool))
}

pub fn parse_deactivate(call: &Call) -> Result<DeactivateTool> {
    call.empty()?;
    Ok(DeactivateTool { tool: call.id("tool")?, if_match: call.if_match()? })
}

pub async fn deactivate(app: Arc<App>, permit: Permit<DeactivateTool>) -> Result<Response> {
    let tool = app.registry.deactivate(permit).await?;
    Ok(show(&tool))
}

pub fn parse_delete(call: &Call) -> Result<DeleteTool> {
    call.empty()?;
    Ok(DeleteTool { tool: call.id("tool")?, if_match: call.if_match()? })
}

pub async fn delete(app: Arc<App>, permit: Permit<DeleteTool>) -> Result<Response> {
    let also = app.secrets.forget_tool(permit.warrant(), permit.resource().id);
    app.registry.delete(permit, also).await?;
    Ok(no_content())
}

pub(super) fn show(tool: &Tool) -> Response {
    tagged(&view(tool), tool.revision, StatusCode::OK)
}

pub(super) fn view(it: &Tool) -> ToolView {
    ToolView {
        id: it.id,
        definition: it.definition.clone(),
        secrets: masked(it),
        is_active: it.is_active(),
        state: it.standing().as_str(),
        owner: it.owner,
        probe: it.probed.as_ref().map(ProbeView::from),
        probe_valid_until: it.probe_valid_until.map(time),
        quarantine: it.quarantine.as_ref().map(|it| QuarantineView {
            since: time(it.since),
            can_be_accepted: it.found.is_some(),
            diff: it.diff.clone(),
        }),
        digest: it.digest().to_owned(),
        revision: it.revision,
        created_at: time(it.created_at),
        updated_at: time(it.updated_at),
    }
}

/// Static headers are secrets, too, and shown where they belong.
fn masked(it: &Tool) -> BTreeMap<String, Masked> {
    let named = it.secrets.iter().map(SecretName::as_str).filter(|it| !it.starts_with(HEADER));
    named.map(|it| (it.to_owned(), Masked)).collect()
}
