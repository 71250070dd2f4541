//! What goes into a decision that nobody asks for now: the same facts, counters and grants that a
//! request would be decided on, put together for a question about it.

use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::Entity;
use jiff::Timestamp;

use super::Authz;
use super::action::{Resource, Use};
use super::asked;
use super::behalf::Party;
use super::facts::{ClockFacts, Facts, History, NetFacts, Particulars, Usage};
use super::past::{Asked, Who};
use crate::Result;
use crate::authn::Caller;
use crate::directory::Principal;
use crate::policy::{Bundle, Link};

/// One question of a caller's about many resources: parts of a decision that it has a permit from.
pub struct Each<'a>(asked::Asked<'a>);

impl Each<'_> {
    pub fn allows(&self, resource: &dyn Resource) -> Result<bool> {
        Ok(self.0.about(resource)?.allow)
    }
}

/// What a caller's own requests are decided on.
pub struct Present {
    pub facts: Facts,
    /// The caller, as well as it is proven.
    pub principal: Entity,
    /// Those in whose name it asks; none where one of them cannot be asked, and then nothing is
    /// allowed.
    pub others: Option<Vec<Entity>>,
}

impl Authz {
    /// What the requests of this caller are decided on now.
    pub fn present(&self, caller: &Caller) -> Result<Present> {
        let behalf = self.behalf(caller, None)?;
        let facts = self.decider.facts_of(Party { caller, behalf: behalf.as_ref() })?;
        let others = match &behalf {
            None => Some(Vec::new()),
            Some(it) => it.others().map(|all| all.iter().map(|it| it.entity().clone()).collect()),
        };
        let attested = caller.session().proof.attested;
        Ok(Present { facts, principal: caller.principal().entity_where(attested).clone(), others })
    }

    /// What is told of somebody who has no session now: nothing is proven, no address is known, and
    /// the risk is low.
    pub fn absent_facts(&self) -> Result<Facts> {
        self.decider.facts_of_nobody()
    }

    /// What the clocks show at another time.
    pub fn clock_facts(&self, at: Timestamp, bundle: &Bundle) -> Result<Arc<ClockFacts>> {
        self.decider.clock_facts_at(at, bundle)
    }

    /// What is known of an address.
    pub fn net_facts(&self, ip: IpAddr) -> NetFacts {
        self.decider.net_facts(ip)
    }

    /// What the counters would be with one more use; nothing is counted.
    pub fn foreseen(&self, principal: &Principal, it: Use) -> Usage {
        self.quota.foreseen(principal.id(), it, self.clock.micros())
    }

    /// What would be told of the past of such a request; nothing is reserved. Who does not ask now
    /// has no session but what stands for one.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn foreseen_past(
        &self,
        bundle: &Bundle,
        (principal, caller): (&Principal, &Caller),
        action: &'static str,
        (resource, particulars): (&dyn Resource, &Particulars),
    ) -> Result<History> {
        let who = match principal.uid() == caller.principal().uid() {
            true => Who::of(caller, self.behalf(caller, None)?.map(|it| it.user())),
            false => Who::absent(principal),
        };
        self.past.foresee(bundle, &Asked::new(who, action, resource, particulars)).await
    }

    /// The grants in force for these, and for what they are members of.
    pub fn links_of<'a>(&self, principals: impl Iterator<Item = &'a Entity>) -> Vec<Arc<Link>> {
        let grants = self.world.grants.snapshot();
        let members = principals.flat_map(|it| {
            let (uid, _, parents) = it.clone().into_inner();
            std::iter::once(uid).chain(parents)
        });
        let members: Vec<_> = members.collect();
        grants.of(members.iter())
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
