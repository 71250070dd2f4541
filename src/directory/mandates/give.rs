//! Giving a mandate.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use uuid::Uuid;

use super::{Body, Mandate, SECOND, unsealed};
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, Resource, World};
use crate::directory::{Agent, Directory};
use crate::error::FieldFault;
use crate::store::Statement;
use crate::{Error, Result};

/// How many agents a chain can have at most, whatever a mandate says.
const DEPTH_MAX: u32 = 3;
const LIFE_DAYS_MAX: i64 = 366;
const SCOPES_MAX: usize = 64;
/// How many that have not expired one user may have given.
const GIVEN_MAX: usize = 200;

/// What a user gives. Instants are microseconds since the epoch.
#[derive(Clone, Debug)]
pub struct NewMandate {
    pub scopes: BTreeSet<String>,
    pub tools: String,
    /// At once when left out.
    pub not_before: Option<i64>,
    pub expires_at: i64,
    pub max_depth: u32,
}

/// An agent by id or by name.
#[derive(Clone, Debug)]
pub enum AgentRef {
    Id(Uuid),
    Name(String),
}

#[derive(Debug)]
pub struct GiveMandate {
    /// In whose name the mandate would let the agent act.
    pub user: Uuid,
    pub agent: AgentRef,
    pub new: NewMandate,
}

/// The agent that a mandate is for. Whoever may give it one may know that there is such an agent,
/// and whoever lacks only a fresh second factor is to be told so.
#[derive(Debug)]
pub struct Recipient(pub Arc<Agent>);

impl Resource for Recipient {
    fn uid(&self) -> EntityUid {
        self.0.uid()
    }

    fn entity(&self) -> Option<&Entity> {
        Resource::entity(&self.0)
    }

    fn name(&self) -> &str {
        &self.0.name
    }
}

impl Action for GiveMandate {
    const NAME: &'static str = "give_mandate";
    const EVENT: &'static str = "mandate.give";
    type Resource = Recipient;

    async fn find(&self, world: &World) -> Result<Option<Recipient>> {
        let snapshot = world.directory.snapshot();
        let agent = match &self.agent {
            AgentRef::Id(id) => snapshot.agent(*id),
            AgentRef::Name(name) => snapshot.agent_named(name),
        };
        Ok(agent.cloned().map(Recipient))
    }

    fn particulars(&self, _: &Recipient) -> Particulars {
        Particulars::Admin { approval: None }
    }
}

impl NewMandate {
    /// Every fault that can be seen without knowing the time or the tools.
    ///
    /// # Errors
    /// The faults, by field.
    pub fn checked(self) -> Result<NewMandate> {
        let words = self.scopes.iter().all(|it| crate::registry::is_word(it));
        let fault = |pointer: &str, is_wrong: bool, detail: String| {
            is_wrong.then(|| FieldFault { pointer: pointer.into(), detail })
        };
        Error::check([
            fault(
                "/scopes",
                !words || !(1..=SCOPES_MAX).contains(&self.scopes.len()),
                format!("must be 1 to {SCOPES_MAX} words such as `read` or `agent:calc`"),
            ),
            fault(
                "/max_depth",
                !(1..=DEPTH_MAX).contains(&self.max_depth),
                format!("must be from 1 (this agent alone) to {DEPTH_MAX}"),
            ),
            fault(
                "/not_before",
                self.not_before.is_some_and(|it| it >= self.expires_at),
                "must be before `expires_at`".into(),
            ),
        ])?;
        Ok(self)
    }

    fn check_time(&self, now: i64) -> Result<()> {
        let latest = now + LIFE_DAYS_MAX * 86_400 * SECOND;
        match now < self.expires_at && self.expires_at <= latest {
            true => Ok(()),
            false => Err(Error::field(
                "/expires_at",
                format!("must lie ahead, by at most {LIFE_DAYS_MAX} days"),
            )),
        }
    }
}

impl Directory {
    /// Gives the mandate that was decided on. People give mandates for themselves only: under
    /// somebody else's name there is no such place.
    pub async fn give_mandate(&self, permit: Permit<GiveMandate>) -> Result<Arc<Mandate>> {
        let (caller, GiveMandate { user, new, .. }, Recipient(agent), warrant) = permit.spend();
        if caller.principal().id() != user {
            return Err(Error::NotFound);
        }
        let now = self.clock.micros();
        new.check_time(now)?;
        if self.snapshot().mandates_given(user, now) >= GIVEN_MAX {
            let many = format!("you have given {GIVEN_MAX} mandates that have not expired");
            return Err(Error::Conflict(many.into()));
        }
        // Decisions know the time to the second.
        let second = |micros: i64| micros.div_euclid(SECOND) * SECOND;
        let id = self.clock.new_id();
        let mandate = Mandate {
            id,
            user,
            agent: agent.id,
            scopes: new.scopes,
            tools: new.tools,
            not_before: second(new.not_before.unwrap_or(now)),
            expires_at: second(new.expires_at),
            max_depth: new.max_depth,
            created_at: now,
            revoked_at: None,
            entity: unsealed(id),
        }
        .sealed()?;
        warrant.note("mandate", mandate.id.to_string());
        warrant.note("agent", agent.id.to_string());
        warrant.note("scopes", mandate.scopes.iter().cloned().collect::<Vec<_>>());
        warrant.note("tools", mandate.tools.as_str());
        self.ledger.commit(&warrant, vec![insert(&mandate)?]).await?;
        let mandate = Arc::new(mandate);
        self.publish(|it| it.put_mandate(&mandate, now));
        Ok(mandate)
    }
}

fn insert(it: &Mandate) -> Result<Statement> {
    let body = Body {
        scopes: it.scopes.clone(),
        tools: it.tools.clone(),
        not_before: it.not_before,
        max_depth: it.max_depth,
    };
    let sql = "INSERT INTO mandates (id, user_id, agent_id, body, created_at, expires_at)
               VALUES ($1, $2, $3, $4, $5, $6)";
    Ok(Statement::new(sql)
        .bind(it.id)
        .bind(it.user)
        .bind(it.agent)
        .bind(serde_json::to_string(&body).map_err(anyhow::Error::from)?)
        .bind(it.created_at)
        .bind(it.expires_at)
        .expect_rows(1))
}
