//! `/api/v1/agents` and `/api/v1/register/machine`

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use super::list::{created, page, tagged, time};
use super::users::{name_fault, role_change};
use crate::authz::facts::Particulars;
use crate::authz::{Action as _, Permit, Visible};
use crate::directory::{
    Agent, GrantAgentRole, Lifecycle, ListAgents, NewAgent, Principal, RegisterAgent, ResumeAgent,
    RevokeAgentRole, Roles, ShowAgent, ShowUser, SuspendAgent,
};
use crate::{App, Error, Result};

#[derive(Serialize, JsonSchema)]
pub struct AgentView {
    id: Uuid,
    name: String,
    /// The user who answers for it.
    owner: Uuid,
    state: Lifecycle,
    roles: Roles,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentBody {
    /// 2 to 64 characters: letters, digits and `.-_@`. Unique without regard to case.
    name: String,
    /// One of the roles in the policy schema.
    role: String,
    /// The id of the user who answers for it; the caller when left out.
    owner: Option<Uuid>,
}

#[derive(Serialize, JsonSchema)]
pub struct Registered {
    client_id: Uuid,
    /// Shown this once.
    client_secret: String,
    name: String,
    roles: Roles,
    owner: Uuid,
}

pub fn parse_create(call: &Call) -> Result<RegisterAgent> {
    let body: AgentBody = call.json()?;
    Error::check([name_fault("/name", &body.name)])?;
    let new = NewAgent { name: body.name, owner: body.owner, roles: Roles::new() };
    Ok(RegisterAgent::new(new, body.role))
}

pub async fn create(app: Arc<App>, permit: Permit<RegisterAgent>) -> Result<Response> {
    // An owner answers for its agents: nobody is made one by somebody who may not even see them.
    if let Some(owner) = permit.action().new.owner {
        let user = app.directory.snapshot().user(owner).cloned();
        let seen = match &user {
            Some(it) => {
                app.authz.would_allow(permit.caller(), ShowUser::NAME, it, &Particulars::Token)?
            }
            None => false,
        };
        if !seen {
            let detail = format!("there is no user `{owner}`, or you may not see it");
            return Err(Error::field("/owner", detail));
        }
    }
    let (agent, secret) = app.directory.register_agent(permit).await?;
    let registered = Registered {
        client_id: agent.id,
        client_secret: secret.reveal().to_owned(),
        name: agent.name.clone(),
        roles: agent.roles.clone(),
        owner: agent.owner,
    };
    let path = format!("/api/v1/agents/{}", agent.id);
    Ok(created(json(&registered).into_response(), &path))
}

pub fn parse_list(call: &Call) -> Result<ListAgents> {
    let (after, page_size) = call.page()?;
    Ok(ListAgents::new(after, page_size))
}

pub fn list(visible: &Visible<ListAgents>) -> Response {
    page(visible, |it| view(it))
}

pub fn parse_show(call: &Call) -> Result<ShowAgent> {
    Ok(ShowAgent(call.id("agent")?))
}

pub async fn get(_: Arc<App>, permit: Permit<ShowAgent>) -> Result<Response> {
    Ok(show(permit.resource()))
}

pub fn parse_suspend(call: &Call) -> Result<SuspendAgent> {
    call.empty()?;
    Ok(SuspendAgent(call.id("agent")?))
}

pub async fn suspend(app: Arc<App>, permit: Permit<SuspendAgent>) -> Result<Response> {
    let agent = app.directory.suspend_agent(permit).await?;
    Ok(show(&agent))
}

pub fn parse_resume(call: &Call) -> Result<ResumeAgent> {
    call.empty()?;
    Ok(ResumeAgent(call.id("agent")?))
}

pub async fn resume(app: Arc<App>, permit: Permit<ResumeAgent>) -> Result<Response> {
    if permit.resource().state == Lifecycle::Suspended {
        let agent = Principal::Agent(permit.resource().clone());
        app.authn.forget_sessions_of(&agent).await?;
    }
    let agent = app.directory.resume_agent(permit).await?;
    Ok(show(&agent))
}

pub fn parse_grant(call: &Call) -> Result<GrantAgentRole> {
    Ok(GrantAgentRole(role_change(call, "agent")?))
}

pub async fn grant(app: Arc<App>, permit: Permit<GrantAgentRole>) -> Result<Response> {
    let agent = app.directory.grant_agent_role(permit).await?;
    Ok(show(&agent))
}

pub fn parse_revoke(call: &Call) -> Result<RevokeAgentRole> {
    Ok(RevokeAgentRole(role_change(call, "agent")?))
}

pub async fn revoke(app: Arc<App>, permit: Permit<RevokeAgentRole>) -> Result<Response> {
    let agent = app.directory.revoke_agent_role(permit).await?;
    Ok(show(&agent))
}

fn show(agent: &Agent) -> Response {
    tagged(&view(agent), agent.revision, StatusCode::OK)
}

fn view(it: &Agent) -> AgentView {
    AgentView {
        id: it.id,
        name: it.name.clone(),
        owner: it.owner,
        state: it.state,
        roles: it.roles.clone(),
        created_at: time(it.created_at),
        updated_at: time(it.updated_at),
    }
}
