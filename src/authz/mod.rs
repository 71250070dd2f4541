//! The choke point. Every effect needs a [`Warrant`]; a caller's request gets one only inside a
//! [`Permit`], and only [`Authz::authorize`] makes permits.

mod action;
mod answer;
mod asked;
mod behalf;
pub mod case;
mod decide;
mod entries;
pub mod explain;
pub mod facts;
mod hypothesis;
mod landscape;
mod listing;
mod many;
pub mod past;
mod permit;
pub mod quota;
mod refusals;
mod remembered;
pub mod residual;
mod scope;
mod searches;
mod surroundings;
pub mod uid;
pub(crate) mod uses;
pub mod verdict;
mod world;

use std::sync::Arc;

use arc_swap::ArcSwap;
use uuid::Uuid;

use self::answer::{Answer, Question};
use self::behalf::Party;
use self::decide::Decider;
use self::explain::Reach;
use self::facts::Usage;
use self::past::{Begun, Past};
use self::quota::{Quota, Reservation};
pub use self::scope::ScopeResource;
use self::searches::Searches;
use crate::audit::Ledger;
use crate::authn::Caller;
use crate::clock::Clock;
use crate::policy::Bundle;
use crate::policy::shadow::{Live, Shadow};
use crate::{Result, metrics};

pub use action::{Action, Candidates, Listing, Made, Resource, TheRegistry, Use, UseKind, View};
pub use behalf::Behalf;
pub use hypothesis::{Each, Present};
pub use landscape::Survey;
pub(crate) use permit::Record;
pub use permit::{Permit, Visible, Warrant};
pub(crate) use remembered::Told;
pub use searches::Seat;
pub use surroundings::Surroundings;
pub use world::World;

/// Decides, by the active bundle and by nothing else.
pub struct Authz {
    decider: Decider,
    quota: Arc<Quota>,
    past: Arc<Past>,
    ledger: Ledger,
    clock: Clock,
    world: World,
    shadow: Arc<Shadow>,
    searches: Searches,
}

impl Authz {
    pub fn new(
        bundle: Arc<Bundle>,
        surroundings: Surroundings,
        (quota, past): (Arc<Quota>, Arc<Past>),
        ledger: Ledger,
        clock: Clock,
        world: World,
    ) -> Authz {
        Authz {
            decider: Decider::new(
                ArcSwap::from(bundle),
                surroundings,
                world.grants.shared(),
                clock.clone(),
            ),
            quota,
            past,
            ledger,
            clock,
            world,
            shadow: Arc::default(),
            searches: Searches::new(),
        }
    }

    /// The bundle that decides now.
    pub fn bundle(&self) -> Arc<Bundle> {
        self.decider.bundle()
    }

    /// What could be, for a request that costs this much: millionths of a US dollar.
    pub fn reach(&self, cost_micros: u64) -> Reach {
        self.decider.reach(cost_micros)
    }

    /// Makes `bundle` the one that decides. Decisions under way keep the one they began with.
    pub fn activate(&self, bundle: Arc<Bundle>) {
        self.decider.activate(bundle);
    }

    /// Where decisions are handed over to be decided under another bundle, too.
    pub fn shadow(&self) -> &Arc<Shadow> {
        &self.shadow
    }

    /// Decides, and hands out the proof. The one maker of permits.
    ///
    /// A denial is written down before this returns; an allow is written in the commit that carries
    /// its effect, or by [`Authz::settle`] when there is none.
    pub async fn authorize<A: Action>(&self, caller: Caller, mut action: A) -> Result<Permit<A>> {
        let behalf = self.behalf(&caller, action.on_behalf_of())?.map(Arc::new);
        if let Some(it) = &behalf {
            action.fit(it);
        }
        action.asked_by(&caller, behalf.as_deref());
        let party = Party { caller: &caller, behalf: behalf.as_deref() };
        let Some(resource) = action.find(&self.world).await? else {
            return Err(self.absent(party, A::NAME, A::EVENT).await);
        };
        if let Err(fault) = action.check(&resource, &self.world) {
            return Err(self.unasked::<A>(party, &resource, fault).await);
        }
        let mut particulars = action.particulars(&resource);
        let (bundle, made) = (self.bundle(), action.made(&resource));
        let about = (&resource as &dyn Resource, &particulars, made);
        let begun = match self.begin(party, A::NAME, about, &bundle).await {
            Ok(it) => it,
            Err(fault) => return Err(self.unasked::<A>(party, &resource, fault).await),
        };
        let asked = action.use_of(&resource);
        let (reservation, usage) = self.take(caller.principal().id(), asked, made);
        if let Some(it) = usage {
            particulars.set_usage(it);
        }
        let mut question = Question {
            action: A::NAME,
            event: A::EVENT,
            resource: &resource,
            particulars,
            past: None,
            cost_micros: reservation.as_ref().map_or(0, Reservation::cost_micros),
        };
        let mut answer = self.ask(party, &mut question, &begun, bundle).await?;
        let entry = self.entry(party, &question, &mut answer);
        self.shadow.see(entry.id, || Live::of(&entry, &answer.told, &answer.bundle));
        if !answer.outcome.allow {
            // Gone before the answer leaves, so that a refused use is nobody's loss.
            drop(reservation);
            let denial = self.deny(party, &question, answer, entry);
            return Err(tokio::join!(denial, begun.give_back()).0);
        }
        let record = Record::reserved(entry, reservation, begun.recorded());
        let warrant = Warrant::new(Arc::new(record));
        let grounds = answer.grounds();
        Ok(Permit::new(caller, behalf, action, resource, grounds, warrant))
    }

    /// Reserves a use, and tells the counters with it. One that was made already takes nothing.
    fn take(
        &self,
        principal: Uuid,
        asked: Option<Use>,
        made: Option<Made>,
    ) -> (Option<Reservation>, Option<Usage>) {
        let now = self.clock.micros();
        match (asked, made) {
            (None, _) => (None, None),
            (Some(it), None) => {
                let reservation = self.quota.reserve(principal, it, now);
                let usage = reservation.usage();
                (Some(reservation), Some(usage))
            }
            (Some(it), Some(made)) => (None, Some(self.quota.with(principal, it.tool, made, now))),
        }
    }

    /// In whose name the caller asks: what its token says, or the request.
    fn behalf(&self, caller: &Caller, asked: Option<Uuid>) -> Result<Option<Behalf>> {
        if caller.session().proof.delegation.is_none() && asked.is_none() {
            return Ok(None);
        }
        let known = self.world.directory.snapshot();
        Behalf::of(caller, asked, &known, self.clock.micros())
    }

    /// What there is now for policies to speak of.
    pub fn landscape(&self) -> Arc<Survey> {
        Arc::new(Survey {
            catalogue: self.world.registry.catalogue(),
            directory: Some(self.world.directory.snapshot()),
            zones: Some(self.decider.zone_names().map(str::to_owned).collect()),
        })
    }

    /// What decisions may read.
    pub fn world(&self) -> &World {
        &self.world
    }

    async fn ask(
        &self,
        party: Party<'_>,
        question: &mut Question<'_>,
        begun: &Begun,
        bundle: Arc<Bundle>,
    ) -> Result<Answer> {
        let started = self.clock.monotonic();
        let answer = self.decide(party, question, begun, bundle).await?;
        let outcome = if answer.outcome.allow { "allow" } else { "deny" };
        metrics::decision(question.action, outcome, started.elapsed());
        report(question.action, &answer.outcome.errors);
        Ok(answer)
    }
}

/// Makes known that policies failed to evaluate; whatever they were asked about was denied.
fn report(action: &'static str, errors: &[String]) {
    if errors.is_empty() {
        return;
    }
    metrics::evaluation_error();
    tracing::error!(action, ?errors, "a policy failed to evaluate; what was asked was denied");
}
