//! `/api/v1/users/{user}/mandates`, and `/api/v1/mandates`

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;

use super::call::Call;
use super::list::{created, no_content, page, tagged, time};
use crate::authz::{Permit, Visible};
use crate::directory::{
    AgentRef, GiveMandate, ListMandates, Mandate, NewMandate, RevokeMandate, ShowMandate,
};
use crate::{App, Error, Result};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MandateBody {
    /// The id or the name of the agent.
    agent: String,
    /// What the agent may hold and ask for in your name: scopes of access tokens such as
    /// `agent:calc`, and the tools' own words such as `read`.
    scopes: BTreeSet<String>,
    /// The tag of the tools that it may use.
    tools: String,
    /// At once when left out.
    not_before: Option<Timestamp>,
    expires_at: Timestamp,
    /// How many agents may act, one for the other; 1 when left out, which is this agent alone.
    #[serde(default = "alone")]
    #[schemars(range(min = 1, max = 3))]
    max_depth: u32,
}

fn alone() -> u32 {
    1
}

#[derive(Serialize, JsonSchema)]
pub struct MandateView {
    id: Uuid,
    /// The user who gave it.
    user: Uuid,
    /// The agent that has it.
    agent: Uuid,
    scopes: BTreeSet<String>,
    tools: String,
    not_before: Timestamp,
    expires_at: Timestamp,
    max_depth: u32,
    /// `given` or `revoked`; whether it holds now, `not_before` and `expires_at` tell.
    state: &'static str,
    created_at: Timestamp,
    updated_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

pub fn parse_give(call: &Call) -> Result<GiveMandate> {
    let body: MandateBody = call.json()?;
    let new = NewMandate {
        scopes: body.scopes,
        tools: body.tools,
        not_before: body.not_before.map(Timestamp::as_microsecond),
        expires_at: body.expires_at.as_microsecond(),
        max_depth: body.max_depth,
    };
    let agent = body.agent.parse().map_or(AgentRef::Name(body.agent), AgentRef::Id);
    Ok(GiveMandate { user: call.id("user")?, agent, new: new.checked()? })
}

pub async fn give(app: Arc<App>, permit: Permit<GiveMandate>) -> Result<Response> {
    let tools = &permit.action().new.tools;
    if !app.registry.catalogue().has_tagged(tools) {
        return Err(Error::field("/tools", "no tool has this tag"));
    }
    let mandate = app.directory.give_mandate(permit).await?;
    Ok(created(show(&mandate), &format!("/api/v1/mandates/{}", mandate.id)))
}

pub fn parse_list(call: &Call) -> Result<ListMandates> {
    let (after, page_size) = call.page()?;
    Ok(ListMandates { user: call.id("user")?, after, page_size })
}

pub fn list(visible: &Visible<ListMandates>) -> Response {
    page(visible, |it| view(it))
}

pub fn parse_show(call: &Call) -> Result<ShowMandate> {
    Ok(ShowMandate(call.id("mandate")?))
}

pub async fn get(_: Arc<App>, permit: Permit<ShowMandate>) -> Result<Response> {
    Ok(show(permit.resource()))
}

pub fn parse_revoke(call: &Call) -> Result<RevokeMandate> {
    call.empty()?;
    Ok(RevokeMandate { mandate: call.id("mandate")?, if_match: call.if_match()? })
}

pub async fn revoke(app: Arc<App>, permit: Permit<RevokeMandate>) -> Result<Response> {
    app.directory.revoke_mandate(permit).await?;
    Ok(no_content())
}

fn show(mandate: &Mandate) -> Response {
    tagged(&view(mandate), mandate.revision(), StatusCode::OK)
}

fn view(it: &Mandate) -> MandateView {
    MandateView {
        id: it.id,
        user: it.user,
        agent: it.agent,
        scopes: it.scopes.clone(),
        tools: it.tools.clone(),
        not_before: time(it.not_before),
        expires_at: time(it.expires_at),
        max_depth: it.max_depth,
        state: if it.revoked_at.is_some() { "revoked" } else { "given" },
        created_at: time(it.created_at),
        updated_at: time(it.revoked_at.unwrap_or(it.created_at)),
        revoked_at: it.revoked_at.map(time),
    }
}
