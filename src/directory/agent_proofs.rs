//! Changing what an agent proves itself by: its client secret and its public keys.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::agent_secret::AgentSecret;
use super::{Agent, Directory};
use crate::authn::proofs::KeySet;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, World};
use crate::{Error, Result};

/// Putting other public keys in the place of those that an agent has.
#[derive(Debug)]
pub struct SetAgentKeys {
    pub agent: Uuid,
    pub keys: KeySet,
    /// The revision that the caller has seen, where it insists on that one.
    pub if_match: Option<i64>,
}

/// Giving an agent a new client secret.
#[derive(Debug)]
pub struct RotateAgentSecret {
    pub agent: Uuid,
    /// How long the old one counts beside it; not at all when none.
    pub overlap: Option<Duration>,
}

impl SetAgentKeys {
    /// Whether the agent may prove less afterwards, which ends its sessions.
    pub fn takes_from(&self, agent: &Agent) -> bool {
        !self.keys.includes(agent.keys())
    }
}

macro_rules! on_agent {
    ($name:ident, $event:literal) => {
        impl Action for $name {
            const NAME: &'static str = "update_agent";
            const EVENT: &'static str = $event;
            type Resource = Arc<Agent>;

            async fn find(&self, world: &World) -> Result<Option<Arc<Agent>>> {
                Ok(world.directory.snapshot().agent(self.agent).cloned())
            }

            fn particulars(&self, _: &Arc<Agent>) -> Particulars {
                Particulars::Admin { approval: None }
            }
        }
    };
}

on_agent!(SetAgentKeys, "agent.keys");
on_agent!(RotateAgentSecret, "agent.secret");

impl Directory {
    /// Puts other public keys in the place of those that the agent has. Where one is taken away, its
    /// sessions and what was vended to it end.
    pub async fn set_agent_keys(&self, permit: Permit<SetAgentKeys>) -> Result<Arc<Agent>> {
        let (_, SetAgentKeys { keys, if_match, .. }, agent, warrant) = permit.spend();
        if if_match.is_some_and(|it| it != agent.revision) {
            return Err(Error::PreconditionFailed);
        }
        let names: Vec<&str> = keys.iter().map(|it| it.key_id()).collect();
        warrant.note("keys", names);
        self.change_agent(&warrant, &agent, |it| it.keys = Arc::new(keys.clone())).await
    }

    /// Gives the agent a new secret, and the one copy of it. Without an overlap its sessions and
    /// what was vended to it end.
    pub async fn rotate_agent_secret(
        &self,
        permit: Permit<RotateAgentSecret>,
    ) -> Result<(Arc<Agent>, AgentSecret)> {
        let (_, RotateAgentSecret { overlap, .. }, agent, warrant) = permit.spend();
        let secret = AgentSecret::generate()?;
        let micros = |it: Duration| i64::try_from(it.as_micros()).unwrap_or(i64::MAX);
        let until = overlap.map(|it| self.clock.micros().saturating_add(micros(it)));
        warrant.note("overlap_seconds", overlap.map_or(0, |it| it.as_secs()));
        let known_by = agent.known_by.rotated(&secret, until);
        let agent = self.change_agent(&warrant, &agent, |it| it.known_by = known_by).await?;
        Ok((agent, secret))
    }
}
