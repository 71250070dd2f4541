//! Asking Cedar: pure, quick, and from snapshots only.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use cedar_policy::{Authorizer, EntityTypeName, EntityUid, PolicySet, Request};
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::action::Resource;
use super::behalf::Party;
use super::case::{Case, Named, Recorded};
use super::explain::{Network, Reach};
use super::facts::{Age, ClockFacts, Facts, History, NetFacts, Particulars, Risk, SessionFacts};
use super::remembered::{Graph, Remembered, Second, Told};
use super::uid;
use super::verdict::{Outcome, verdict};
use crate::Result;
use crate::audit::Actor;
use crate::clock::{Clock, instant};
use crate::directory::Principal;
use crate::grants::{Shared, Snapshot};
use crate::net::places::Places;
use crate::policy::{Bundle, Fix, Link, Narrow, Sight, Ungrantable};

/// Microseconds in a second.
const MICROS: i64 = 1_000_000;

/// How many of the named networks a search for another one looks at.
const NETWORKS_MAX: usize = 16;

/// A hundred years.
const AGES: Age = Age::from_millis(100 * 365 * 86_400_000);

/// What is true of the place this process runs in, from the settings.
pub struct Surroundings {
    /// The zone in which the organization's hours count.
    pub home: TimeZone,
    /// Named networks: what policies know as `NetZone`s.
    pub zones: BTreeMap<String, Vec<IpNet>>,
    /// Where addresses are.
    pub places: Arc<Places>,
}

/// One question to Cedar, but for who is asking.
#[derive(Clone)]
pub struct Question<'a> {
    pub action: &'static str,
    pub event: &'static str,
    pub resource: &'a dyn Resource,
    pub particulars: Particulars,
    /// None for the bundle that is active, told of no past.
    pub past: Option<Remembrance>,
    /// What it costs by itself, whatever was used before: millionths of a US dollar.
    pub cost_micros: u64,
}

/// What is told of the past, and the bundle that wants to know it.
#[derive(Clone)]
pub struct Remembrance {
    pub bundle: Arc<Bundle>,
    pub history: History,
}

/// What Cedar said, and everything it said it on.
pub struct Answer {
    pub outcome: Outcome,
    /// Who was denied, when it is not the caller but one in whose name it asks.
    pub denied: Option<Actor>,
    pub told: Arc<Told>,
    pub bundle: Arc<Bundle>,
    /// The question, for the audit.
    pub recorded: Option<Recorded>,
    /// The grants that were in force.
    pub links: Vec<Arc<Link>>,
}

/// What a decision stands on, besides who asked what.
#[derive(Clone)]
pub struct Grounds {
    told: Arc<Told>,
    pub bundle: Arc<Bundle>,
    links: Vec<Arc<Link>>,
}

impl Grounds {
    /// The decision as one that can be made again.
    pub fn case(&self, party: Party<'_>, action: &str, resource: &dyn Resource) -> Case {
        let caller = party.caller;
        let target = resource.uid();
        let own = caller.principal().entity_where(caller.session().proof.attested);
        let mut entities = vec![own.clone()];
        let others = match party.behalf {
            None => Some(Vec::new()),
            Some(it) => it.others().map(|them| {
                entities.extend(them.iter().map(|it| it.entity().clone()));
                them.iter().map(Principal::uid).collect()
            }),
        };
        if entities.iter().all(|it| it.uid() != target) {
            entities.extend(resource.entity().cloned());
        }
        Case {
            principal: own.uid(),
            action: uid::action(action),
            resource: target,
            others,
            facts: self.told.facts.clone(),
            entities,
            links: self.links.clone(),
        }
    }
}

impl Answer {
    /// The titles of the policies that denied, as one text for people.
    pub fn detail(&self) -> String {
        if !self.outcome.errors.is_empty() {
            return "a policy failed to evaluate, so nothing is allowed; tell an administrator"
                .into();
        }
        if let Some(unfit) = &self.told.unfit {
            return format!(
                "{unfit}; the policies that look at this call were checked with other arguments"
            );
        }
        let titles: Vec<&str> = self
            .outcome
            .reasons
            .iter()
            .filter_map(|id| self.bundle.meta(id))
            .map(|it| it.title.as_str())
            .collect();
        let why = match titles.is_empty() {
            true => "no policy permits it".into(),
            false => titles.join("; "),
        };
        match &self.denied {
            Some(it) => format!("for the {} `{}`: {why}", it.kind, it.name),
            None => why,
        }
    }

    /// The decision as one that can be made again, on other facts or by another bundle.
    pub fn case(&self, party: Party<'_>, question: &Question<'_>) -> Case {
        self.grounds().case(party, question.action, question.resource)
    }

    /// What it was decided on, besides who asked what.
    pub fn grounds(&self) -> Grounds {
        let (told, bundle) = (self.told.clone(), self.bundle.clone());
        Grounds { told, bundle, links: self.links.clone() }
    }

    /// Whether a counter took part in the denial.
    pub fn is_quota_refusal(&self) -> bool {
        self.outcome
            .reasons
            .iter()
            .filter_map(|id| self.bundle.meta(id))
            .any(|it| it.fix == Some(Fix::Wait))
    }
}

pub struct Decider {
    bundle: ArcSwap<Bundle>,
    surroundings: Surroundings,
    networks: Arc<[Network]>,
    grants: Shared,
    clock: Clock,
    authorizer: Authorizer,
    second: ArcSwap<Option<Second>>,
    remembered: Remembered,
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
        Ok(Asked { decider: self, bundle, grants, told, action, caller, others })
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
        Reach { home, networks: self.networks.clone(), cost_micros }
    }

    /// What is known of an address.
    pub fn net_facts(&self, ip: IpAddr) -> NetFacts {
        self.surroundings.facts_of(ip)
    }
}

impl Surroundings {
    fn facts_of(&self, ip: IpAddr) -> NetFacts {
        let country = self.places.country(ip).map(|it| it.to_string());
        NetFacts::new(ip, self.zones_of(ip), country)
    }

    fn zones_of(&self, ip: IpAddr) -> BTreeSet<String> {
        let ip = ip.to_canonical();
        let holds = |nets: &[IpNet]| nets.iter().any(|it| it.contains(&ip));
        let zones = self.zones.iter().filter(|(_, nets)| holds(nets));
        zones.map(|(name, _)| name.clone()).collect()
    }

    /// Where a request could come from: an address of each of the named networks.
    fn networks(&self) -> Arc<[Network]> {
        let address = |it: &IpNet| it.hosts().next().unwrap_or_else(|| it.addr());
        let all = self.zones.iter().flat_map(|(name, nets)| nets.iter().map(move |it| (name, it)));
        let network = |(name, net): (&String, &IpNet)| Network {
            name: name.clone(),
            facts: self.facts_of(address(net)),
        };
        all.take(NETWORKS_MAX).map(network).collect()
    }
}

/// A question without its resource.
pub struct Asked<'a> {
    decider: &'a Decider,
    bundle: Arc<Bundle>,
    grants: Arc<Snapshot>,
    told: Arc<Told>,
    action: EntityUid,
    caller: Leg,
    /// Those in whose name the caller asks; None when one of them is gone.
    others: Option<Vec<Leg>>,
}

/// One of those who must be allowed.
struct Leg {
    principal: EntityUid,
    /// It, and the action, with their ancestors.
    graph: Arc<Graph>,
    /// The grants to it, and to what it is a member of.
    links: Vec<Arc<Link>>,
}

impl Asked<'_> {
    /// Asks about one resource, for everybody concerned.
    pub fn about(&self, resource: &dyn Resource) -> Result<Outcome> {
        self.of_all(resource).map(|(outcome, _)| outcome)
    }

    /// The same, with which of the others it was who was denied, if it was one of them. The first
    /// who is denied decides, the caller before the others.
    fn of_all(&self, resource: &dyn Resource) -> Result<(Outcome, Option<usize>)> {
        let mut outcome = self.of(&self.caller, resource)?;
        if !outcome.allow {
            return Ok((outcome, None));
        }
        let Some(others) = &self.others else { return Ok((Outcome::denied(), None)) };
        for (at, other) in others.iter().enumerate() {
            outcome = outcome.and(self.of(other, resource)?);
            if !outcome.allow {
                return Ok((outcome, Some(at)));
            }
        }
        Ok((outcome, None))
    }

    /// Asks for one of them. What cannot be asked is a denial.
    fn of(&self, leg: &Leg, resource: &dyn Resource) -> Result<Outcome> {
        if self.told.unfit.is_some() {
            return Ok(Outcome::denied());
        }
        let target = resource.uid();
        let request = Request::new(
            leg.principal.clone(),
            self.action.clone(),
            target.clone(),
            self.told.context.clone(),
            self.told.schema(&self.bundle),
        );
        let request = match request {
            Ok(it) => it,
            Err(error) => return Ok(unknown(&error.to_string())),
        };
        // A principal may ask about itself; the graph holds each entity once.
        let resource = resource.entity().filter(|_| target != leg.principal).cloned();
        let told = self.told.entities.iter().cloned();
        let entities = leg
            .graph
            .entities
            .clone()
            .add_entities(told.chain(resource), None)
            .map_err(anyhow::Error::from)?;
        // A question that the schema does not know finds no policies, and nothing allows it.
        let types = (leg.principal.type_name(), target.type_name());
        let answer = |it: &PolicySet| {
            verdict(&self.decider.authorizer.is_authorized(&request, it, &entities))
        };
        if !leg.links.is_empty() {
            return Ok(match self.granted(leg, types.1) {
                Ok(policies) => answer(&policies),
                Err(fault) => Outcome::failed(fault.to_string()),
            });
        }
        Ok(match (&self.told.facts.delegation, leg.graph.narrow(types.1)) {
            (None, Some(narrow)) => answer(narrow.about(&target, &entities)),
            (None, None) => Outcome::denied(),
            (Some(_), _) => answer(self.bundle.slice(types.0, &self.action, types.1)),
        })
    }

    /// What the policies can tell resources of this type apart by; none where more than policies
    /// and resource may matter: grants, somebody else's word, or facts that name a resource.
    pub fn sight(&self, resource_type: &EntityTypeName) -> Option<&Sight> {
        let facts = &self.told.facts;
        let names_none =
            matches!(facts.particulars, Particulars::Base | Particulars::Token | Particulars::Find);
        let alone = facts.delegation.is_none() && self.others.as_ref().is_some_and(Vec::is_empty);
        let plain = names_none && alone && self.caller.links.is_empty();
        let is_own = self.caller.principal.type_name() == resource_type;
        let narrow = self.caller.graph.narrow(resource_type).filter(|_| plain && !is_own);
        narrow.map(Narrow::sight)
    }

    /// The slice with the grants of `leg`.
    fn granted(
        &self,
        leg: &Leg,
        resource_type: &EntityTypeName,
    ) -> Result<Arc<PolicySet>, Ungrantable> {
        let of = (&self.bundle, &self.grants);
        self.decider.remembered.granted(&leg.principal, &self.action, resource_type, of, || {
            let principal_type = leg.principal.type_name();
            self.bundle.slice_with(principal_type, &self.action, resource_type, &leg.links)
        })
    }

    /// The question as the audit keeps it.
    fn recorded(&self, question: &Question<'_>, links: Vec<Arc<Link>>) -> Recorded {
        let resource = question.resource;
        let target = resource.uid();
        let others = self.others.iter().flatten();
        let legs = || std::iter::once(&self.caller).chain(others.clone());
        let of_legs = legs().filter_map(|it| it.graph.written.clone());
        let is_new = legs().all(|it| it.principal != target);
        let of_resource = is_new.then(|| resource.written()).flatten();
        Recorded {
            principal: Named::of(&self.caller.principal),
            action: question.action.to_owned(),
            resource: Named::of(&target),
            others: self
                .others
                .as_ref()
                .map(|them| them.iter().map(|it| Named::of(&it.principal)).collect()),
            entities: of_legs.chain(of_resource).collect(),
            links,
        }
    }

    /// Every grant in force for anybody concerned, once.
    fn links(&self) -> Vec<Arc<Link>> {
        let mut links = self.caller.links.clone();
        for it in self.others.iter().flatten().flat_map(|it| &it.links) {
            if !links.contains(it) {
                links.push(it.clone());
            }
        }
        links
    }

    /// What came of asking.
    pub fn answer(self, outcome: Outcome) -> Answer {
        let links = self.links();
        let (denied, recorded) = (None, None);
        Answer { outcome, denied, told: self.told, bundle: self.bundle, recorded, links }
    }
}

/// The schema says who may ask what about whom; anything else no policy can allow.
fn unknown(error: &str) -> Outcome {
    tracing::debug!(error, "a question that the schema does not know");
    Outcome::denied()
}
