//! Asking Cedar: pure, quick, and from snapshots only.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use cedar_policy::Authorizer;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::answer::{Answer, Question, Remembrance};
use super::asked::{Asked, Leg};
use super::behalf::Party;
use super::explain::{Network, Reach};
use super::facts::{Age, ClockFacts, Facts, History, NetFacts, Particulars, Risk, SessionFacts};
use super::remembered::{Remembered, Second, Told};
use super::surroundings::Surroundings;
use super::uid;
use crate::Result;
use crate::clock::{Clock, instant};
use crate::directory::Principal;
use crate::grants::Shared;
use crate::policy::Bundle;

/// Microseconds in a second.
const MICROS: i64 = 1_000_000;

/// A hundred years.
const AGES: Age = Age::from_millis(100 * 365 * 86_400_000);

pub struct Decider {
    bundle: ArcSwap<Bundle>,
    surroundings: Surroundings,
    networks: Arc<[Network]>,
    grants: Shared,
    clock: Clock,
    pub(super) authorizer: Authorizer,
    second: ArcSwap<Option<Second>>,
    pub(super) remembered: Remembered,
}

impl Decider {
    pub fn new(
        bundle: ArcSwap<Bundle>,
        surroundings: Surroundings,
        grants: Shared,
        clock: Clock,
    ) -> Decider {
        Decider {
            bundle,
            networks: surroundings.networks(),
            surroundings,
            grants,
            clock,
            authorizer: Authorizer::new(),
            second: ArcSwap::from_pointee(None),
            remembered: Remembered::default(),
        }
    }

    pub fn bundle(&self) -> Arc<Bundle> {
        self.bundle.load_full()
    }

    pub fn activate(&self, bundle: Arc<Bundle>) {
        self.bundle.store(bundle);
    }

    pub fn ask(&self, party: Party<'_>, question: &Question<'_>) -> Result<Answer> {
        let Question { action, particulars, .. } = question;
        let asked = self.prepare_knowing(party, action, particulars, question.past.clone())?;
        let (outcome, other) = asked.of_all(question.resource)?;
        let others = party.behalf.and_then(|it| it.others());
        let denied = other.zip(others).and_then(|(at, others)| others.get(at));
        let links = asked.links();
        let recorded = Some(asked.recorded(question, links.clone()));
        let denied = denied.map(Principal::actor);
        let Asked { told, bundle, .. } = asked;
        Ok(Answer { outcome, denied, told, bundle, recorded, links })
    }

    /// Everything about a question but its resource: for asking about many.
    pub fn prepare(
        &self,
        party: Party<'_>,
        action: &'static str,
        particulars: &Particulars,
    ) -> Result<Asked<'_>> {
        self.prepare_knowing(party, action, particulars, None)
    }

    /// The same, told of the past.
    pub fn prepare_knowing(
        &self,
        party: Party<'_>,
        action: &'static str,
        particulars: &Particulars,
        past: Option<Remembrance>,
    ) -> Result<Asked<'_>> {
        let (bundle, history) = match past {
            Some(it) => (it.bundle, Some(it.history)),
            None => (self.bundle.load_full(), None),
        };
        let second = self.second(&bundle)?;
        let history = history.filter(|it| *it != History::default());
        let facts = |particulars| self.facts(party, &second, particulars);
        let make = || Told::new(Facts { history, ..facts(particulars.clone()) }, &second.of);
        let told = match party.behalf {
            None => self.remembered.told(party.caller, &second, particulars, make)?,
            // A mandate is looked at anew for every decision.
            Some(_) => Arc::new(make()?),
        };
        self.asked(party, action, bundle, told)
    }

    fn asked(
        &self,
        party: Party<'_>,
        action: &'static str,
        bundle: Arc<Bundle>,
        told: Arc<Told>,
    ) -> Result<Asked<'_>> {
        let grants = self.grants.load_full();
        let action = told.typed.clone().unwrap_or_else(|| uid::action(action));
        let leg = |principal: &Principal, attested: bool| -> Result<Leg> {
            let graph = self.remembered.graph(principal, attested, &action, &bundle)?;
            let links = grants.of(graph.members.iter());
            Ok(Leg { principal: principal.uid(), graph, links })
        };
        let caller = leg(party.caller.principal(), party.caller.session().proof.attested)?;
        let others = match party.behalf {
            None => Some(Vec::new()),
            // What the others have proven they did not prove in this request.
            Some(it) => it
                .others()
                .map(|them| them.iter().map(|other| leg(other, false)).collect())
                .transpose()?,
        };
        Ok(Asked { decider: self, bundle, told, action, caller, others })
    }

    /// What is told of a request of this party, in its own words.
    pub fn facts_of(&self, party: Party<'_>) -> Result<Facts> {
        let second = self.second(&self.bundle())?;
        Ok(self.facts(party, &second, Particulars::Token))
    }

    /// What is told of a request that nobody makes now: the time, and nothing that is proven.
    pub fn facts_of_nobody(&self) -> Result<Facts> {
        Ok(Facts {
            clock: self.second(&self.bundle())?.facts,
            net: self.net_facts(IpAddr::from([0, 0, 0, 0])),
            session: SessionFacts {
                aal: 1,
                age: Age::ZERO,
                mfa_age: None,
                reauth_age: None,
                by_client: false,
            },
            risk: Risk::Low,
            risk_reasons: Vec::new(),
            token_scopes: BTreeSet::new(),
            delegation: None,
            history: None,
            particulars: Particulars::Token,
        })
    }

    fn facts(&self, party: Party<'_>, second: &Second, particulars: Particulars) -> Facts {
        let (caller, session) = (party.caller, party.caller.session());
        // At the end of the second that the facts are shared in: rather too old than too young.
        let now = instant((second.at + 1) * MICROS);
        let since = |micros: i64| Age::between(instant(micros), now);
        Facts {
            clock: second.facts.clone(),
            net: self.net_facts(caller.origin().ip),
            session: SessionFacts {
                aal: session.assurance_level(),
                // A session from the future, after the clock was set back, is as old as can be.
                age: since(session.authenticated_at).unwrap_or(AGES),
                mfa_age: session.proof.mfa_at.and_then(since),
                reauth_age: session.reauthenticated_at.and_then(since),
                by_client: session.proof.client.is_some(),
            },
            risk: session.proof.risk,
            risk_reasons: session.proof.risk_reasons.clone(),
            token_scopes: BTreeSet::clone(&session.scopes),
            delegation: party.behalf.map(|it| it.facts.clone()),
            history: None,
            particulars,
        }
    }

    /// Zones and formats cost more than an evaluation; the requests of one second share them.
    fn second(&self, bundle: &Arc<Bundle>) -> Result<Second> {
        let at = self.clock.micros().div_euclid(MICROS);
        if let Some(known) = &**self.second.load()
            && known.at == at
            && Arc::ptr_eq(&known.of, bundle)
        {
            return Ok(known.clone());
        }
        let facts = self.clock_facts_at(instant(at * MICROS), bundle)?;
        let fresh = Second { at, of: bundle.clone(), facts };
        self.second.store(Arc::new(Some(fresh.clone())));
        Ok(fresh)
    }

    /// What the clocks show at another time.
    pub fn clock_facts_at(&self, at: Timestamp, bundle: &Bundle) -> Result<Arc<ClockFacts>> {
        Ok(Arc::new(ClockFacts::at(at, &self.surroundings.home, bundle.zones())?))
    }

    /// The zone in which the organization's hours count.
    pub fn home(&self) -> &TimeZone {
        &self.surroundings.home
    }

    /// What the clocks show now.
    pub fn clock_facts(&self, bundle: &Bundle) -> Result<Arc<ClockFacts>> {
        self.clock_facts_at(self.clock.now(), bundle)
    }

    /// The names of the networks that the settings name.
    pub fn zone_names(&self) -> impl Iterator<Item = &str> {
        self.surroundings.zones.keys().map(String::as_str)
    }

    /// What could be for a request that costs this much, in millionths of a US dollar.
    pub fn reach(&self, cost_micros: u64) -> Reach {
        let home = self.surroundings.home.clone();
        Reach { home, networks: self.networks.clone(), cost_micros, clock: self.clock.clone() }
    }

    /// What is known of an address.
    pub fn net_facts(&self, ip: IpAddr) -> NetFacts {
        self.surroundings.facts_of(ip)
    }
}
