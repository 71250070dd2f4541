//! Acting in a user's name: who is asked besides the caller, and what policies are told of it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::facts::Delegation;
use crate::authn::{Caller, Delegated};
use crate::directory::{Mandate, Principal, Snapshot};
use crate::{Error, Result};

/// A mandate at work, as of one instant.
#[derive(Debug)]
pub struct Behalf {
    user: Uuid,
    /// From the agent that has the mandate to the one that acts.
    chain: Vec<Uuid>,
    /// None when there is no such mandate any more, or there never was one.
    mandate: Option<Arc<Mandate>>,
    /// Everybody but the caller: the agents it acts for, nearest first, and the user. None when one
    /// of them cannot be asked, because it is gone or because it gave no word; then nothing is allowed.
    others: Option<Vec<Principal>>,
    /// What policies are told.
    pub(super) facts: Delegation,
}

/// Whose request is decided on.
#[derive(Clone, Copy)]
pub struct Party<'a> {
    pub caller: &'a Caller,
    /// None when the caller acts for nobody else, which is the usual thing.
    pub behalf: Option<&'a Behalf>,
}

impl Behalf {
    /// What the caller's token says, or else what the request asks for: the newest mandate of that
    /// user for this agent. None when neither says anything.
    ///
    /// # Errors
    /// A field fault at `/on_behalf_of` when token and request contradict each other, or when it is
    /// not an agent who asks.
    pub(super) fn of(
        caller: &Caller,
        asked: Option<Uuid>,
        known: &Snapshot,
        now: i64,
    ) -> Result<Option<Behalf>> {
        match (&caller.session().proof.delegation, asked) {
            (None, None) => Ok(None),
            (Some(it), Some(user)) if it.user != user => {
                Err(Error::field("/on_behalf_of", "the access token stands for another user"))
            }
            (Some(it), _) => {
                let mandate = known.mandate(it.mandate).cloned();
                Ok(Some(Behalf::new(it.clone(), mandate, known, now)))
            }
            (None, Some(user)) => {
                let Principal::Agent(agent) = caller.principal() else {
                    return Err(Error::field("/on_behalf_of", "only agents act for somebody"));
                };
                let mandate = known.mandate_between(user, agent.id, now).cloned();
                let id = mandate.as_ref().map_or(Uuid::nil(), |it| it.id);
                let (chain, under) = (vec![agent.id], Vec::new());
                let delegated = Delegated { mandate: id, user, chain, under };
                Ok(Some(Behalf::new(delegated, mandate, known, now)))
            }
        }
    }

    /// The one that a token would stand on: `delegated.chain` ends with the caller.
    pub(crate) fn new(
        Delegated { user, chain, .. }: Delegated,
        mandate: Option<Arc<Mandate>>,
        known: &Snapshot,
        now: i64,
    ) -> Behalf {
        let above = chain.iter().rev().skip(1);
        let agents = above.map(|id| known.agent(*id).cloned().map(Principal::Agent));
        let person = known.user(user).cloned().map(Principal::User);
        let facts = Delegation {
            user: user.to_string(),
            agent: chain.first().map(Uuid::to_string).unwrap_or_default(),
            depth: u32::try_from(chain.len()).unwrap_or(u32::MAX),
            remaining_seconds: mandate.as_ref().map_or(0, |it| it.remaining_seconds(now)),
            mandate: mandate.as_ref().map(|it| it.facts()),
        };
        let others = mandate.as_ref().and_then(|_| agents.chain([person]).collect());
        Behalf { user, chain, mandate, others, facts }
    }

    pub fn user(&self) -> Uuid {
        self.user
    }

    /// From the agent that has the mandate to the one that acts.
    pub fn chain(&self) -> &[Uuid] {
        &self.chain
    }

    pub fn mandate(&self) -> Option<&Arc<Mandate>> {
        self.mandate.as_ref()
    }

    /// For how long the mandate still holds.
    pub fn remaining_seconds(&self) -> u64 {
        self.facts.remaining_seconds
    }

    /// Who else must be allowed; None when that cannot be asked.
    pub(super) fn others(&self) -> Option<&[Principal]> {
        self.others.as_deref()
    }

    /// What the audit says of it.
    pub(super) fn tell(&self, details: &mut BTreeMap<String, Value>) {
        details.insert("on_behalf_of".into(), self.user.to_string().into());
        details.insert("chain".into(), json!(self.chain));
        if let Some(mandate) = &self.mandate {
            details.insert("mandate".into(), mandate.id.to_string().into());
        }
    }
}

impl<'a> Party<'a> {
    /// The caller in its own name, whatever its token says.
    pub fn alone(caller: &'a Caller) -> Party<'a> {
        Party { caller, behalf: None }
    }
}
