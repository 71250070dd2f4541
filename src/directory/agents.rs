//! Machines that act: registered by somebody, owned by a user, known by a client secret.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Entity, RestrictedExpression};
use secrecy::SecretString;
use uuid::Uuid;

use super::agent_secret::{AgentSecret, KnownBy};
use super::principal::parents;
use super::snapshot::key;
use super::users::names_json;
use super::{
    Directory, GrantAgentRole, Groups, Lifecycle, ResumeAgent, RevokeAgentRole, Roles, SuspendAgent,
};
use crate::authn::proofs::KeySet;
use crate::authz::facts::Particulars;
use crate::authz::uid::{Kind, uid};
use crate::authz::{Action, Permit, TheRegistry, Warrant, World};
use crate::store::{Database, Row, Statement};
use crate::{Error, Result};
use crate::{authn, credentials};

#[derive(Debug)]
pub struct Agent {
    pub id: Uuid,
    pub name: String,
    pub owner: Uuid,
    pub state: Lifecycle,
    pub roles: Roles,
    pub groups: Groups,
    /// Goes up by one with every change.
    pub revision: i64,
    pub created_at: i64,
    pub updated_at: i64,
    /// The public keys that it proves itself by, where it has any.
    pub(super) keys: Arc<KeySet>,
    pub(super) known_by: KnownBy,
    pub(super) entity: Entity,
    /// As Cedar sees it in a session in which it proved a key of its own.
    attested: Entity,
}

#[derive(Clone, Debug)]
pub struct NewAgent {
    pub name: String,
    /// Who answers for it; the caller when none is named.
    pub owner: Option<Uuid>,
    pub roles: Roles,
    /// The public keys that it may prove itself by, besides its secret.
    pub keys: KeySet,
}

/// Registration with the one role that the newcomer starts with.
#[derive(Debug)]
pub struct RegisterAgent {
    pub new: NewAgent,
    role: String,
}

impl RegisterAgent {
    pub fn new(new: NewAgent, role: String) -> RegisterAgent {
        RegisterAgent { new: NewAgent { roles: [role.clone()].into(), ..new }, role }
    }
}

impl Action for RegisterAgent {
    const NAME: &'static str = "register_agent";
    const EVENT: &'static str = "agent.create";
    type Resource = TheRegistry;

    async fn find(&self, _: &World) -> Result<Option<TheRegistry>> {
        Ok(Some(TheRegistry))
    }

    fn particulars(&self, _: &Self::Resource) -> Particulars {
        Particulars::Role { role: self.role.clone(), approval: None }
    }
}

impl Directory {
    /// Registers an agent and gives the one copy of its secret.
    pub async fn register_agent(
        &self,
        permit: Permit<RegisterAgent>,
    ) -> Result<(Arc<Agent>, AgentSecret)> {
        let (caller, action, _, warrant) = permit.spend();
        let owner = action.new.owner.unwrap_or_else(|| caller.principal().id());
        if self.snapshot().user(owner).is_none() {
            return Err(Error::field("/owner", "must name a user, who answers for it"));
        }
        self.insert_agent(&warrant, owner, action.new).await
    }

    async fn insert_agent(
        &self,
        warrant: &Warrant,
        owner: Uuid,
        new: NewAgent,
    ) -> Result<(Arc<Agent>, AgentSecret)> {
        if self.snapshot().agent_named(&new.name).is_some() {
            return Err(taken(&new.name));
        }
        let (now, secret) = (self.clock.micros(), AgentSecret::generate()?);
        let agent = Agent::new(self.clock.new_id(), &new, owner, &secret, now)?;
        warrant.note("agent", agent.id.to_string());
        warrant.note("name", agent.name.as_str());
        self.ledger.commit(warrant, vec![insert(&agent)]).await.map_err(|error| match error {
            Error::Conflict(_) => taken(&agent.name),
            other => other,
        })?;
        let agent = Arc::new(agent);
        self.publish(|it| it.put_agent(agent.clone()));
        Ok((agent, secret))
    }

    pub async fn suspend_agent(&self, permit: Permit<SuspendAgent>) -> Result<Arc<Agent>> {
        let (_, _, agent, warrant) = permit.spend();
        self.change_agent(&warrant, &agent, |it| it.state = Lifecycle::Suspended).await
    }

    pub async fn resume_agent(&self, permit: Permit<ResumeAgent>) -> Result<Arc<Agent>> {
        let (_, _, agent, warrant) = permit.spend();
        self.change_agent(&warrant, &agent, |it| it.state = Lifecycle::Active).await
    }

    pub async fn grant_agent_role(&self, permit: Permit<GrantAgentRole>) -> Result<Arc<Agent>> {
        let (_, GrantAgentRole(change), agent, warrant) = permit.spend();
        change.insist(agent.revision)?;
        warrant.note("role", change.role.as_str());
        self.change_agent(&warrant, &agent, |it| change.grant_to(&mut it.roles)).await
    }

    pub async fn revoke_agent_role(&self, permit: Permit<RevokeAgentRole>) -> Result<Arc<Agent>> {
        let (_, RevokeAgentRole(change), agent, warrant) = permit.spend();
        change.insist(agent.revision)?;
        warrant.note("role", change.role.as_str());
        self.change_agent(&warrant, &agent, |it| change.take_from(&mut it.roles)).await
    }

    pub(super) async fn change_agent(
        &self,
        warrant: &Warrant,
        agent: &Agent,
        change: impl FnOnce(&mut Agent),
    ) -> Result<Arc<Agent>> {
        let mut next = Agent {
            name: agent.name.clone(),
            roles: agent.roles.clone(),
            groups: agent.groups.clone(),
            keys: agent.keys.clone(),
            known_by: agent.known_by.clone(),
            entity: agent.entity.clone(),
            attested: agent.attested.clone(),
            ..*agent
        };
        change(&mut next);
        next.revision += 1;
        next.updated_at = self.clock.micros();
        let next = next.sealed()?;
        let update = Statement::new(
            "UPDATE agents SET state = $3, roles = $4, groups = $5, revision = $6, updated_at = $7,
                               keys = $8, secret_hash = $9, previous_secret_hash = $10,
                               previous_secret_until = $11
             WHERE id = $1 AND revision = $2",
        )
        .bind(agent.id)
        .bind(agent.revision)
        .bind(next.state.as_str())
        .bind(names_json(&next.roles))
        .bind(names_json(&next.groups))
        .bind(next.revision)
        .bind(next.updated_at)
        .bind(next.keys.to_json().to_string());
        let update = next.known_by.bound_to(update).expect_rows(1);
        let mut statements = vec![update];
        if next.state == Lifecycle::Suspended {
            statements.extend(credentials::of_principal(next.id, next.updated_at));
        } else if agent.state == Lifecycle::Suspended {
            statements.push(authn::ends_sessions_of(next.id, next.updated_at));
        }
        if next.lost_a_proof(agent) {
            statements.push(authn::ends_sessions_of(next.id, next.updated_at));
            statements.extend(credentials::of_principal(next.id, next.updated_at));
        }
        self.ledger.commit(warrant, statements).await?;
        let next = Arc::new(next);
        self.publish(|it| it.put_agent(next.clone()));
        Ok(next)
    }
}

impl Agent {
    fn new(id: Uuid, new: &NewAgent, owner: Uuid, secret: &AgentSecret, now: i64) -> Result<Agent> {
        Agent {
            id,
            name: new.name.clone(),
            owner,
            state: Lifecycle::Active,
            roles: new.roles.clone(),
            revision: 1,
            created_at: now,
            updated_at: now,
            keys: Arc::new(new.keys.clone()),
            known_by: KnownBy::new(secret),
            groups: Groups::new(),
            entity: Entity::with_uid(uid(Kind::Agent, "")),
            attested: Entity::with_uid(uid(Kind::Agent, "")),
        }
        .sealed()
    }

    /// Whether this is a client secret of the agent that counts at `now`, in constant time.
    pub fn knows(&self, secret: &SecretString, now: i64) -> bool {
        self.known_by.includes(secret, now)
    }

    /// Until when the secret before the current one counts: microseconds.
    pub fn previous_secret_until(&self) -> Option<i64> {
        self.known_by.previous_until()
    }

    /// Whether something that proved who `before` is proves it no longer. What was given for it ends.
    fn lost_a_proof(&self, before: &Agent) -> bool {
        !self.known_by.still_takes(&before.known_by) || !self.keys.includes(&before.keys)
    }

    /// The public keys that it proves itself by.
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// The agent as Cedar sees it where it proved a key of its own, or a workload's identity.
    pub fn attested_entity(&self) -> &Entity {
        &self.attested
    }

    /// Makes the entities fit the attributes.
    fn sealed(mut self) -> Result<Agent> {
        // A client secret is not a proof of the workload's identity.
        self.entity = self.entity_where(false)?;
        self.attested = self.entity_where(true)?;
        Ok(self)
    }

    fn entity_where(&self, attested: bool) -> Result<Entity> {
        let reference = |kind, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
        let attributes = HashMap::from([
            ("owner".to_owned(), reference(Kind::User, &self.owner.to_string())),
            ("state".to_owned(), reference(Kind::Lifecycle, self.state.as_str())),
            ("attested".to_owned(), RestrictedExpression::new_bool(attested)),
        ]);
        let parents = parents(&self.roles, &self.groups);
        let entity = Entity::new(uid(Kind::Agent, &self.id.to_string()), attributes, parents);
        Ok(entity.map_err(anyhow::Error::from)?)
    }

    pub(super) fn from_row(row: &Row) -> Result<Agent> {
        Agent {
            id: row.uuid(0)?,
            name: row.text(1)?.to_owned(),
            owner: row.uuid(2)?,
            state: Lifecycle::parse(row.text(3)?),
            roles: row.json(4)?,
            revision: row.int(5)?,
            created_at: row.int(6)?,
            updated_at: row.int(7)?,
            groups: row.json(8)?,
            keys: stored_keys(&row.json(9)?)?,
            known_by: KnownBy::from_row(row, 10)?,
            entity: Entity::with_uid(uid(Kind::Agent, "")),
            attested: Entity::with_uid(uid(Kind::Agent, "")),
        }
        .sealed()
    }
}

pub(super) async fn all(db: &dyn Database) -> Result<Vec<Agent>> {
    let rows = db
        .query(
            "SELECT id, name, owner, state, roles, revision, created_at, updated_at, groups, keys,
                    secret_hash, previous_secret_hash, previous_secret_until
             FROM agents",
            vec![],
        )
        .await?;
    rows.iter().map(Agent::from_row).collect()
}

fn insert(agent: &Agent) -> Statement {
    let insert = Statement::new(
        "INSERT INTO agents (id, name, name_key, owner, state, roles, revision, created_at,
                             updated_at, keys, secret_hash, previous_secret_hash,
                             previous_secret_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(agent.id)
    .bind(agent.name.as_str())
    .bind(key(&agent.name))
    .bind(agent.owner)
    .bind(agent.state.as_str())
    .bind(names_json(&agent.roles))
    .bind(agent.revision)
    .bind(agent.created_at)
    .bind(agent.updated_at)
    .bind(agent.keys.to_json().to_string());
    agent.known_by.bound_to(insert)
}

fn stored_keys(set: &serde_json::Value) -> Result<Arc<KeySet>> {
    let keys = KeySet::parse(set, "");
    keys.map(Arc::new).map_err(|_| Error::internal("the stored keys of an agent are damaged"))
}

fn taken(name: &str) -> Error {
    Error::Conflict(format!("the agent name `{name}` is taken").into())
}
