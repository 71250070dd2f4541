//! Asking Cedar: pure, quick, and from snapshots only.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use cedar_policy::{Authorizer, Context, Entities, Entity, EntityUid, PolicySet, Request};
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::action::Resource;
use super::facts::{Age, ClockFacts, Facts, NetFacts, Particulars, Risk, SessionFacts};
use super::uid::{self, Kind};
use super::verdict::{Outcome, verdict};
use crate::Result;
use crate::authn::Caller;
use crate::clock::{Clock, instant};
use crate::policy::{Bundle, Fix};

/// What is true of the place this process runs in, from the settings.
pub struct Surroundings {
    /// The zone in which the organization's hours count.
    pub home: TimeZone,
    /// Named networks: what policies know as `NetZone`s.
    pub zones: BTreeMap<String, Vec<IpNet>>,
}

/// One question to Cedar, but for who is asking.
pub struct Question<'a> {
    pub action: &'static str,
    pub event: &'static str,
    pub resource: &'a dyn Resource,
    pub particulars: Particulars,
    /// What it costs by itself, whatever was used before: millionths of a US dollar.
    pub cost_micros: u64,
}

/// What Cedar said, and everything it said it on.
pub struct Answer {
    pub outcome: Outcome,
    pub facts: Facts,
    pub bundle: Arc<Bundle>,
}

impl Answer {
    /// The titles of the policies that denied, as one text for people.
    pub fn detail(&self) -> String {
        if !self.outcome.errors.is_empty() {
            return "a policy failed to evaluate, so nothing is allowed; tell an administrator"
                .into();
        }
        let titles: Vec<&str> = self
            .outcome
            .reasons
            .iter()
            .filter_map(|id| self.bundle.meta(id))
            .map(|it| it.title.as_str())
            .collect();
        match titles.is_empty() {
            true => "no policy permits it".into(),
            false => titles.join("; "),
        }
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
    clock: Clock,
    authorizer: Authorizer,
    /// The clock's facts of the current second, and the bundle whose zones they show.
    second: ArcSwap<Option<(i64, Arc<Bundle>, Arc<ClockFacts>)>>,
}

impl Decider {
    pub fn new(bundle: ArcSwap<Bundle>, surroundings: Surroundings, clock: Clock) -> Decider {
        Decider {
            bundle,
            surroundings,
            clock,
            authorizer: Authorizer::new(),
            second: ArcSwap::from_pointee(None),
        }
    }

    pub fn bundle(&self) -> Arc<Bundle> {
        self.bundle.load_full()
    }

    pub fn activate(&self, bundle: Arc<Bundle>) {
        self.bundle.store(bundle);
    }

    pub fn ask(&self, caller: &Caller, question: &Question<'_>) -> Result<Answer> {
        let mut asked = self.prepare(caller, question.action, question.particulars.clone())?;
        asked.outcome = asked.about(question.resource)?;
        Ok(asked.into_answer())
    }

    /// Everything about a question but its resource: for asking about many.
    pub fn prepare(
        &self,
        caller: &Caller,
        action: &'static str,
        particulars: Particulars,
    ) -> Result<Asked<'_>> {
        let bundle = self.bundle.load_full();
        let facts = self.facts(caller, &bundle, particulars)?;
        Asked::new(self, bundle, facts, caller.principal().entity().clone(), uid::action(action))
    }

    /// The same question on other facts: what would be, if.
    pub fn suppose(
        &self,
        caller: &Caller,
        answer: &Answer,
        question: &Question<'_>,
        facts: Facts,
    ) -> Result<Outcome> {
        let principal = caller.principal().entity().clone();
        let action = uid::action(question.action);
        Asked::new(self, answer.bundle.clone(), facts, principal, action)?.about(question.resource)
    }

    fn facts(
        &self,
        caller: &Caller,
        bundle: &Arc<Bundle>,
        particulars: Particulars,
    ) -> Result<Facts> {
        let (session, now) = (caller.session(), self.clock.now());
        let since = |micros: i64| Age::between(instant(micros), now);
        Ok(Facts {
            clock: self.clock_facts(bundle)?,
            net: NetFacts::new(caller.origin().ip, self.zones_of(caller.origin().ip), None),
            session: SessionFacts {
                aal: session.assurance_level,
                age: since(session.authenticated_at).unwrap_or(Age::ZERO),
                mfa_age: None,
                reauth_age: session.reauthenticated_at.and_then(since),
            },
            risk: Risk::Low,
            token_scopes: BTreeSet::clone(&session.scopes),
            particulars,
        })
    }

    /// Zones and formats cost more than an evaluation; the requests of one second share them.
    fn clock_facts(&self, bundle: &Arc<Bundle>) -> Result<Arc<ClockFacts>> {
        let second = self.clock.micros().div_euclid(1_000_000);
        if let Some((at, of, facts)) = &**self.second.load()
            && *at == second
            && Arc::ptr_eq(of, bundle)
        {
            return Ok(facts.clone());
        }
        let facts = self.clock_facts_at(instant(second * 1_000_000), bundle)?;
        self.second.store(Arc::new(Some((second, bundle.clone(), facts.clone()))));
        Ok(facts)
    }

    /// What the clocks show at another time.
    pub fn clock_facts_at(&self, at: Timestamp, bundle: &Bundle) -> Result<Arc<ClockFacts>> {
        Ok(Arc::new(ClockFacts::at(at, &self.surroundings.home, bundle.zones())?))
    }

    /// The names of the networks that the settings name.
    pub fn zone_names(&self) -> impl Iterator<Item = &str> {
        self.surroundings.zones.keys().map(String::as_str)
    }

    fn zones_of(&self, ip: IpAddr) -> BTreeSet<String> {
        let ip = ip.to_canonical();
        let holds = |nets: &[IpNet]| nets.iter().any(|it| it.contains(&ip));
        let zones = self.surroundings.zones.iter().filter(|(_, nets)| holds(nets));
        zones.map(|(name, _)| name.clone()).collect()
    }
}

/// A question without its resource.
pub struct Asked<'a> {
    decider: &'a Decider,
    bundle: Arc<Bundle>,
    facts: Facts,
    principal: Entity,
    action: EntityUid,
    context: Context,
    /// What every resource is asked with: the principal, the action's groups, what the context names.
    common: Vec<Entity>,
    outcome: Outcome,
}

impl<'a> Asked<'a> {
    fn new(
        decider: &'a Decider,
        bundle: Arc<Bundle>,
        facts: Facts,
        principal: Entity,
        action: EntityUid,
    ) -> Result<Asked<'a>> {
        let context = facts.context()?;
        let mut common = facts.entities()?;
        common.extend(bundle.action_entities(&action).iter().cloned());
        common.push(principal.clone());
        let outcome = Outcome { allow: true, reasons: Vec::new(), errors: Vec::new() };
        Ok(Asked { decider, bundle, facts, principal, action, context, common, outcome })
    }

    /// Asks about one resource. What cannot be asked is a denial with its reason.
    pub fn about(&mut self, resource: &dyn Resource) -> Result<Outcome> {
        let target = resource.uid();
        let request = Request::new(
            self.principal.uid(),
            self.action.clone(),
            target.clone(),
            self.context.clone(),
            Some(self.bundle.schema()),
        );
        let request = match request {
            Ok(it) => it,
            Err(error) => return Ok(self.not_for_them(&error.to_string())),
        };
        let mut entities = self.common.clone();
        // A principal may ask about itself; the slice holds each entity once.
        if target != self.principal.uid() {
            entities.extend(resource.entity().cloned());
        }
        let entities = Entities::from_entities(entities, None).map_err(anyhow::Error::from)?;
        let policies: &PolicySet =
            self.bundle.slice(self.principal.uid().type_name(), &self.action, target.type_name());
        Ok(verdict(&self.decider.authorizer.is_authorized(&request, policies, &entities)))
    }

    /// The schema says who may ask what about whom; anything else no policy can allow.
    fn not_for_them(&self, error: &str) -> Outcome {
        tracing::debug!(error, "a question that the schema does not know");
        Outcome { allow: false, reasons: Vec::new(), errors: Vec::new() }
    }

    pub fn into_answer(self) -> Answer {
        Answer { outcome: self.outcome, facts: self.facts, bundle: self.bundle }
    }
}

/// A scope as a resource: may this principal's token carry it?
pub struct ScopeResource {
    uid: EntityUid,
    entity: Entity,
}

impl ScopeResource {
    /// A scope `family:member` lies in `family:*`, so a policy can speak of families.
    pub fn new(scope: &str) -> ScopeResource {
        let uid = uid::uid(Kind::Scope, scope);
        let family = scope.split_once(':').map(|(family, _)| format!("{family}:*"));
        // The family itself is asked about, too, and nothing lies in itself.
        let family = family.filter(|it| it != scope);
        let parents = family.into_iter().map(|it| uid::uid(Kind::Scope, &it)).collect();
        let entity = Entity::new_no_attrs(uid.clone(), parents);
        ScopeResource { uid, entity }
    }
}

impl Resource for ScopeResource {
    fn uid(&self) -> EntityUid {
        self.uid.clone()
    }

    fn entity(&self) -> Option<&Entity> {
        Some(&self.entity)
    }

    fn name(&self) -> &str {
        ""
    }
}
