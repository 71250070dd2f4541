//! `/api/v1/tools/{tool}/versions`: what a tool is and was.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use super::list::{Page, created, time};
use super::tools;
use crate::authz::Permit;
use crate::registry::{Definition, ListVersions, PublishVersion, RollBackTool, ToolPatch, Version};
use crate::secrets::Change;
use crate::{App, Error, Result};

/// A definition that a tool has, or had. It never changes.
#[derive(Serialize, JsonSchema)]
pub struct VersionView {
    version: String,
    /// Counts the changes of the tool; unique in it.
    number: i64,
    /// Whether the tool is this now.
    is_current: bool,
    digest: String,
    definition: Definition,
    /// The decision that made it; none of what was there before versions were kept.
    decision_id: Option<Uuid>,
    created_at: Timestamp,
}

pub fn parse_list(call: &Call) -> Result<ListVersions> {
    let mut query = call.query();
    let before = query.parsed("page_token", "a token from the page before");
    let page_size = query.page_size();
    query.end()?;
    Ok(ListVersions { tool: call.id("tool")?, before, page_size })
}

pub async fn list(app: Arc<App>, permit: Permit<ListVersions>) -> Result<Response> {
    let (tool, ListVersions { before, page_size, .. }) = (permit.resource(), permit.action());
    let warrant = permit.warrant();
    let versions = app.history.versions(warrant, tool, *before, page_size + 1).await?;
    let more = versions.len() > *page_size;
    let shown = versions.get(..(*page_size).min(versions.len())).unwrap_or_default();
    let last = shown.last().filter(|_| more).map(|it| it.number.to_string());
    let items = shown.iter().map(|it| view(it, tool.pinned)).collect::<Vec<_>>();
    Ok(json(&Page { items, next_page_token: last.unwrap_or_default() }).into_response())
}

/// A version is a change that says what it is called.
pub fn parse_publish(call: &Call) -> Result<PublishVersion> {
    let patch: ToolPatch = call.json()?;
    if patch.version.is_none() {
        return Err(Error::field("/version", "say what the version is called, such as `1.1.0`"));
    }
    Ok(PublishVersion { tool: call.id("tool")?, patch, if_match: call.if_match()? })
}

pub async fn publish(app: Arc<App>, permit: Permit<PublishVersion>) -> Result<Response> {
    let (tool, action, warrant) = (permit.resource(), permit.action(), permit.warrant());
    let definition = action.patch.apply(&tool.definition)?;
    if app.history.version(warrant, tool, &definition.version).await?.is_some()
        || definition.version == tool.definition.version
    {
        let detail = "is a version of this tool already; call the new one something else";
        return Err(Error::Conflict(format!("`{}` {detail}", definition.version).into()));
    }
    let change = action.patch.change(&tool.secrets)?;
    let by = (permit.caller(), warrant);
    let decided = tools::decide(&app, by, tool, (&definition, change)).await?;
    let tool = app.registry.publish(permit, decided).await?;
    Ok(created(tools::show(&tool), &format!("/api/v1/tools/{}/versions", tool.id)))
}

pub fn parse_roll_back(call: &Call) -> Result<RollBackTool> {
    call.empty()?;
    let version = call.param("version")?.to_owned();
    Ok(RollBackTool { tool: call.id("tool")?, version, if_match: call.if_match()? })
}

/// A tool becomes what it was. A server is looked at first: it must still be there.
pub async fn roll_back(app: Arc<App>, permit: Permit<RollBackTool>) -> Result<Response> {
    let (tool, warrant) = (permit.resource(), permit.warrant());
    let version = app.history.version(warrant, tool, &permit.action().version).await?;
    let version = version.ok_or(Error::NotFound)?;
    let definition = &version.definition;
    if tool.listed.is_some() && definition.input_schema != tool.definition.input_schema {
        let why = "the server describes this tool otherwise now: what it was cannot be called";
        return Err(Error::Conflict(why.into()));
    }
    let by = (permit.caller(), warrant);
    let decided = tools::decide(&app, by, tool, (definition, Change::default())).await?;
    let tool = app.registry.roll_back(permit, version, decided).await?;
    Ok(tools::show(&tool))
}

fn view(it: &Version, pinned: i64) -> VersionView {
    VersionView {
        version: it.definition.version.clone(),
        number: it.number,
        is_current: it.number == pinned,
        digest: it.digest.clone(),
        definition: it.definition.clone(),
        decision_id: it.decision,
        created_at: time(it.created_at),
    }
}
