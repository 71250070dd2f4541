//! What would be decided, if: the same bundle, asked about somebody who does not ask now.

use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::{Authorizer, Entities, Entity, EntityUid, Request};
use jiff::Timestamp;
use uuid::Uuid;

use super::action::{Resource, Use};
use super::behalf::Party;
use super::decide::Asked;
use super::facts::{ClockFacts, Facts, NetFacts, Particulars, Usage};
use super::verdict::{Outcome, verdict};
use super::{Authz, uid};
use crate::Result;
use crate::authn::Caller;
use crate::directory::Principal;
use crate::policy::Bundle;

/// One decision that is only thought of, and everything it is made on.
#[derive(Clone, Debug)]
pub struct Hypothesis {
    pub principal: Entity,
    pub action: EntityUid,
    pub resource: EntityUid,
    /// None for members of a closed vocabulary, which have no attributes.
    pub about: Option<Entity>,
    /// Those in whose name it would be asked, who must be allowed as well.
    pub others: Vec<Entity>,
    pub facts: Facts,
}

/// One question about many resources: parts of a decision that the caller has a permit from.
pub struct Each<'a>(Asked<'a>);

impl Each<'_> {
    pub fn allows(&self, resource: &dyn Resource) -> Result<bool> {
        Ok(self.0.about(resource)?.allow)
    }
}

impl Hypothesis {
    /// What `bundle` says to it.
    ///
    /// # Errors
    /// Facts or entities that Cedar cannot hold. What the schema does not know is a denial.
    pub fn decide(&self, bundle: &Bundle) -> Result<Outcome> {
        let mut outcome = self.of(&self.principal, bundle)?;
        for other in &self.others {
            if !outcome.allow {
                break;
            }
            outcome = outcome.and(self.of(other, bundle)?);
        }
        Ok(outcome)
    }

    fn of(&self, principal: &Entity, bundle: &Bundle) -> Result<Outcome> {
        let who = principal.uid();
        let request = Request::new(
            who.clone(),
            self.action.clone(),
            self.resource.clone(),
            self.facts.context()?,
            Some(bundle.schema()),
        );
        let Ok(request) = request else { return Ok(Outcome::denied()) };
        let mut entities = bundle.action_entities(&self.action).to_vec();
        entities.push(principal.clone());
        // A principal may be asked about itself; each entity is there once.
        entities.extend(self.about.iter().filter(|it| it.uid() != who).cloned());
        entities.extend(self.facts.entities()?);
        let entities = Entities::from_entities(entities, None).map_err(anyhow::Error::from)?;
        let (principal, resource) = (who.type_name(), self.resource.type_name());
        let policies = match self.facts.delegation {
            None => bundle.undelegated_slice(principal, &self.action, resource),
            Some(_) => bundle.slice(principal, &self.action, resource),
        };
        Ok(verdict(&Authorizer::new().is_authorized(&request, policies, &entities)))
    }
}

impl Authz {
    /// What this caller is told of itself, and those in whose name it asks; no others where one of
    /// them cannot be asked, for then nothing is allowed.
    pub fn present(&self, caller: &Caller) -> Result<(Facts, Option<Vec<Entity>>)> {
        let behalf = self.behalf(caller, None)?;
        let facts = self.decider.facts_of(Party { caller, behalf: behalf.as_ref() })?;
        let others = match &behalf {
            None => Some(Vec::new()),
            Some(it) => it.others().map(|all| all.iter().map(|it| it.entity().clone()).collect()),
        };
        Ok((facts, others))
    }

    /// What is told of somebody who has no session now: nothing is proven, no address is known, and
    /// nothing that is rated is rated badly.
    pub fn absent_facts(&self) -> Result<Facts> {
        self.decider.facts_of_nobody()
    }

    pub fn clock_facts(&self, at: Timestamp, bundle: &Bundle) -> Result<Arc<ClockFacts>> {
        self.decider.clock_facts_at(at, bundle)
    }

    pub fn net_facts(&self, ip: IpAddr) -> NetFacts {
        self.decider.net_facts(ip)
    }

    /// What the counters would be with one more use.
    pub fn foreseen(&self, principal: &Principal, it: Use) -> Usage {
        self.quota.foreseen(principal.id(), it, self.clock.micros())
    }

    /// One question of this caller's about many resources.
    pub fn each(
        &self,
        caller: &Caller,
        action: &'static str,
        particulars: &Particulars,
    ) -> Result<Each<'_>> {
        let behalf = self.behalf(caller, None)?;
        let party = Party { caller, behalf: behalf.as_ref() };
        Ok(Each(self.decider.prepare(party, action, particulars)?))
    }
}
