//! `/api/v1/agents` and `/api/v1/register/machine`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use super::list::{created, page, tagged, time};
use super::users::{name_fault, role_change};
use crate::authn::proofs::{KeySet, PublicKey};
use crate::authz::facts::Particulars;
use crate::authz::{Action as _, Permit, Visible};
use crate::directory::{
    Agent, GrantAgentRole, Lifecycle, ListAgents, NewAgent, Principal, RegisterAgent, ResumeAgent,
    RevokeAgentRole, Roles, RotateAgentSecret, SetAgentKeys, ShowAgent, ShowUser, SuspendAgent,
};
use crate::{App, Error, Result};

/// Long enough for whoever deploys by the week.
const OVERLAP_SECONDS_MAX: u64 = 7 * 24 * 60 * 60;

#[derive(Serialize, JsonSchema)]
pub struct AgentView {
    id: Uuid,
    name: String,
    /// The user who answers for it.
    owner: Uuid,
    state: Lifecycle,
    roles: Roles,
    /// The public keys that it may prove itself by.
    jwks: JwkSet,
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
    /// Public keys that it may prove itself by, besides its secret.
    jwks: Option<JwkSet>,
}

/// A JWK set (RFC 7517): at most 16 public keys, of EC with P-256, OKP with Ed25519 or RSA with
/// 2048 to 4096 bits, each with a `kid` of its own.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct JwkSet {
    #[schemars(with = "Vec<BTreeMap<String, Value>>")]
    keys: Value,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretBody {
    /// How long the old secret is good beside the new one: at most 7 days. When left out the old one
    /// is good no more, and the agent's sessions end.
    #[serde(default)]
    overlap_seconds: u64,
}

#[derive(Serialize, JsonSchema)]
pub struct NewSecret {
    client_id: Uuid,
    /// Shown this once.
    client_secret: String,
    /// Until when the old secret is good.
    previous_until: Option<Timestamp>,
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
    let keys = body.jwks.map_or_else(|| Ok(KeySet::default()), |it| it.parse("/jwks"))?;
    let new = NewAgent { name: body.name, owner: body.owner, roles: Roles::new(), keys };
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
        forget_sessions_of(&app, permit.resource()).await?;
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

pub fn parse_keys(call: &Call) -> Result<SetAgentKeys> {
    let keys = call.json::<JwkSet>()?.parse("")?;
    Ok(SetAgentKeys { agent: call.id("agent")?, keys, if_match: call.if_match()? })
}

pub async fn set_keys(app: Arc<App>, permit: Permit<SetAgentKeys>) -> Result<Response> {
    if permit.action().takes_from(permit.resource()) {
        forget_sessions_of(&app, permit.resource()).await?;
    }
    let agent = app.directory.set_agent_keys(permit).await?;
    Ok(show(&agent))
}

pub fn parse_rotate(call: &Call) -> Result<RotateAgentSecret> {
    let body: SecretBody = if call.body.is_empty() { SecretBody::default() } else { call.json()? };
    if body.overlap_seconds > OVERLAP_SECONDS_MAX {
        let detail = format!("must be at most {OVERLAP_SECONDS_MAX}");
        return Err(Error::field("/overlap_seconds", detail));
    }
    let overlap = Some(Duration::from_secs(body.overlap_seconds)).filter(|it| !it.is_zero());
    Ok(RotateAgentSecret { agent: call.id("agent")?, overlap })
}

pub async fn rotate(app: Arc<App>, permit: Permit<RotateAgentSecret>) -> Result<Response> {
    let overlap = permit.action().overlap;
    if overlap.is_none() {
        forget_sessions_of(&app, permit.resource()).await?;
    }
    let (agent, secret) = app.directory.rotate_agent_secret(permit).await?;
    let rotated = NewSecret {
        client_id: agent.id,
        client_secret: secret.reveal().to_owned(),
        previous_until: agent.previous_secret_until().map(time),
    };
    Ok(tagged(&rotated, agent.revision, StatusCode::OK))
}

/// Ends them for this process; the commit that follows ends them for good.
async fn forget_sessions_of(app: &App, agent: &Arc<Agent>) -> Result<()> {
    app.authn.forget_sessions_of(&Principal::Agent(agent.clone())).await
}

impl JwkSet {
    fn of(keys: &KeySet) -> JwkSet {
        JwkSet { keys: keys.iter().map(PublicKey::to_json).collect() }
    }

    fn parse(&self, at: &str) -> Result<KeySet> {
        KeySet::parse(&serde_json::json!({ "keys": self.keys }), at)
    }
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
        jwks: JwkSet::of(it.keys()),
        created_at: time(it.created_at),
        updated_at: time(it.updated_at),
    }
}
