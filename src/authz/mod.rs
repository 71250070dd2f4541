//! The choke point. Every effect needs a [`Warrant`]; a caller's request gets one only inside a
//! [`Permit`], and only [`Authz::authorize`] makes permits.

mod action;
mod behalf;
pub mod case;
mod decide;
pub mod explain;
pub mod facts;
mod hypothesis;
mod landscape;
mod many;
pub mod past;
mod permit;
pub mod quota;
mod remembered;
pub mod residual;
mod scope;
pub mod uid;
pub(crate) mod uses;
pub mod verdict;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use cedar_policy::EntityUid;
use serde_json::json;
use uuid::Uuid;

use self::behalf::Party;
use self::decide::{Answer, Decider, Question};
use self::explain::{Pace, Reach};
use self::facts::Particulars;
use self::many::Many;
use self::past::{Begun, Past};
use self::quota::Quota;
pub use self::scope::ScopeResource;
use self::uid::Kind;
use self::verdict::Outcome as Verdict;
use crate::audit::{Decision, Entry, Ledger, Outcome, Target};
use crate::authn::{Caller, Via};
use crate::clock::Clock;
use crate::error::{Denial, Fix};
use crate::policy::shadow::{Live, Shadow};
use crate::policy::{self, Bundle};
use crate::{Error, Result, metrics};

pub use action::{Action, Candidates, Listing, Resource, TheRegistry, Use, UseKind, View};
pub use behalf::Behalf;
pub use decide::Surroundings;
pub use hypothesis::{Each, Present};
pub use landscape::Survey;
pub(crate) use permit::Record;
pub use permit::{Permit, Visible, Warrant};
pub(crate) use remembered::Told;
pub use world::World;

/// Decisions on members of a collection before others get a turn.
const TURN: usize = 32;

/// Decides, by the active bundle and by nothing else.
pub struct Authz {
    decider: Decider,
    quota: Arc<Quota>,
    past: Arc<Past>,
    ledger: Ledger,
    clock: Clock,
    world: World,
    shadow: Arc<Shadow>,
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
        }
    }

    /// The bundle that decides now.
    pub fn bundle(&self) -> Arc<Bundle> {
        self.decider.bundle()
    }

    /// The bundle of this digest, where it is at hand.
    pub fn bundle_of(&self, digest: &str) -> Option<Arc<Bundle>> {
        Some(self.bundle()).filter(|it| it.digest() == digest)
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
        let bundle = self.bundle();
        let begun = match self.begin(party, A::NAME, (&resource, &particulars), &bundle).await {
            Ok(it) => it,
            Err(fault) => return Err(self.unasked::<A>(party, &resource, fault).await),
        };
        let asked = action.use_of(&resource);
        let reservation =
            asked.map(|it| self.quota.reserve(caller.principal().id(), it, self.clock.micros()));
        if let Some(it) = &reservation {
            particulars.set_usage(it.usage());
        }
        let mut question = Question {
            action: A::NAME,
            event: A::EVENT,
            resource: &resource,
            particulars,
            past: None,
            cost_micros: asked.map_or(0, |it| it.cost_micros.unsigned_abs()),
        };
        let mut answer = self.ask(party, &mut question, &begun, bundle).await?;
        let entry = self.entry(party, &question, &mut answer);
        self.shadow.see(entry.id, || Live::of(&entry, &answer.told));
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

    /// Decides on each member of a collection and hands out those that may be seen: one page, one
    /// audit entry.
    pub async fn visible<L: Listing>(&self, caller: Caller, listing: L) -> Result<Visible<L>> {
        let candidates = listing.candidates(&self.world).await?;
        let behalf = self.behalf(&caller, None)?;
        let party = Party { caller: &caller, behalf: behalf.as_ref() };
        let asked = self.decider.prepare(party, L::NAME, &listing.particulars())?;
        let mut page: Vec<L::Item> = Vec::new();
        let (mut passed, mut next, mut last) = (0, String::new(), None);
        let (mut errors, mut many) = (BTreeSet::new(), Many::new(&asked));
        for (looked_at, item) in candidates.items.into_iter().enumerate() {
            // Thousands of decisions in a row: others must get their turn in between.
            if looked_at % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            let outcome = many.about(&item)?;
            errors.extend(outcome.errors);
            if outcome.allow {
                if passed < listing.skip() {
                    passed += 1;
                } else if page.len() < listing.page_size() {
                    page.push(item.clone());
                } else {
                    next = page.last().map(|it| listing.token_after(it)).unwrap_or_default();
                    break;
                }
            }
            last = Some(item);
        }
        if next.is_empty() && candidates.more {
            next = last.map(|it| listing.token_after(&it)).unwrap_or_default();
        }
        let question = Question {
            action: L::NAME,
            event: L::EVENT,
            resource: &TheRegistry,
            particulars: listing.particulars(),
            past: None,
            cost_micros: 0,
        };
        let mut entry = self.entry(party, &question, &mut asked.answer(allowed()));
        entry.details.insert("shown".into(), page.len().into());
        entry.errors.extend(errors);
        report(L::NAME, &entry.errors);
        Ok(Visible::new(page, next, Warrant::new(Arc::new(Record::new(entry)))))
    }

    /// Which of `scopes` this principal's token may carry: one decision for each.
    pub fn holdable(&self, caller: &Caller, scopes: &[String]) -> Result<Vec<String>> {
        let party = Party::alone(caller);
        let asked = self.decider.prepare(party, "hold_scope", &Particulars::Base)?;
        let mut held = Vec::new();
        let mut errors = BTreeSet::new();
        for scope in scopes {
            let outcome = asked.about(&ScopeResource::new(scope))?;
            errors.extend(outcome.errors);
            if outcome.allow {
                held.push(scope.clone());
            }
        }
        report("hold_scope", &Vec::from_iter(errors));
        Ok(held)
    }

    /// Whether this caller would be allowed something that depends on a permit it already has: a
    /// part of that decision, not a decision of its own.
    pub fn would_allow(
        &self,
        caller: &Caller,
        action: &'static str,
        resource: &dyn Resource,
        particulars: &Particulars,
    ) -> Result<bool> {
        let behalf = self.behalf(caller, None)?;
        let party = Party { caller, behalf: behalf.as_ref() };
        Ok(self.decider.prepare(party, action, particulars)?.about(resource)?.allow)
    }

    /// In whose name the caller asks: what its token says, or the request.
    fn behalf(&self, caller: &Caller, asked: Option<Uuid>) -> Result<Option<Behalf>> {
        if caller.session().proof.delegation.is_none() && asked.is_none() {
            return Ok(None);
        }
        let known = self.world.directory.snapshot();
        Behalf::of(caller, asked, &known, self.clock.micros())
    }

    /// Writes down a decision that had no effect to travel with.
    pub async fn settle(&self, record: &Record, outcome: Outcome) -> Result<()> {
        self.ledger.settle(record, outcome).await
    }

    /// Writes down that what was asked about cannot be: there is nothing to decide on.
    pub async fn note_refusal(
        &self,
        caller: &Caller,
        event: &'static str,
        reason: &str,
    ) -> Result<()> {
        let behalf = self.behalf(caller, None)?;
        let mut entry = self.blank(Party { caller, behalf: behalf.as_ref() }, event);
        entry.target = TheRegistry.target();
        entry.details.insert("reason".into(), reason.into());
        self.ledger.record(entry).await
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

    /// Denied: explained as far as the caller may know, hidden where it may not.
    async fn deny(
        &self,
        party: Party<'_>,
        question: &Question<'_>,
        answer: Answer,
        entry: Entry,
    ) -> Error {
        let decision_id = entry.id;
        if answer.is_quota_refusal() {
            metrics::quota_refusal(question.action);
        }
        if let Err(error) = self.ledger.record(entry).await {
            return error;
        }
        if self.is_hidden(party, question.action, question.resource) {
            return Error::NotFound;
        }
        let mut fixes = self.fixes(party, question, &answer);
        self.tell_of_enrolment(&party.caller.principal().uid(), &mut fixes).await;
        let detail = answer.detail();
        let quota = answer.is_quota_refusal() && fixes.len() == 1;
        let reasons = answer.outcome.reasons;
        let denial = Box::new(Denial { decision_id, reasons, detail, fixes });
        if quota { Error::QuotaExceeded(denial) } else { Error::Denied(denial) }
    }

    /// What would turn it into an allow.
    fn fixes(&self, party: Party<'_>, question: &Question<'_>, answer: &Answer) -> Vec<Fix> {
        let case = answer.case(party, question);
        let reach = self.reach(question.cost_micros);
        explain::cure(&case, &answer.bundle, &reach, Pace::Denial).fixes
    }

    /// Nobody proves a second factor that was never enrolled: what somebody without one has to do
    /// first is said in `fixes`. Where the store does not answer, they say both.
    pub async fn tell_of_enrolment(&self, principal: &EntityUid, fixes: &mut [Fix]) {
        let is_user = Kind::of(principal.type_name()) == Some(Kind::User);
        let id = principal.id().unescaped().parse().ok().filter(|_| is_user);
        let needs_one = fixes.iter().any(|it| it.kind == policy::Fix::Mfa.as_str());
        let (Some(id), true) = (id, needs_one) else { return };
        if self.world.factors.of(id).await.is_ok_and(|it| !it.is_active()) {
            explain::enrolling(fixes);
        }
    }

    /// Whether what this action is about must not be known to whoever asked in vain.
    fn is_hidden(&self, party: Party<'_>, action: &str, resource: &dyn Resource) -> bool {
        match resource.view() {
            // What the caller may see is up to its token, whatever it asks on behalf of.
            Some(view) if view.action != action => self
                .would_allow(party.caller, view.action, resource, &(view.particulars)())
                .map_or(true, |seen| !seen),
            Some(_) => true,
            None => false,
        }
    }

    /// What cannot be asked of a resource is not decided on: written down, and told to those who
    /// may know that the resource is there.
    async fn unasked<A: Action>(
        &self,
        party: Party<'_>,
        resource: &A::Resource,
        fault: Error,
    ) -> Error {
        let mut entry = Entry {
            action: Some(A::NAME.into()),
            target: resource.target(),
            ..self.blank(party, A::EVENT)
        };
        entry.details.insert("reason".into(), fault.code().into());
        if let Err(error) = self.ledger.record(entry).await {
            return error;
        }
        if self.is_hidden(party, A::NAME, resource) { Error::NotFound } else { fault }
    }

    /// What is not there is refused like what may not be seen, and written down like it, too.
    async fn absent(&self, party: Party<'_>, action: &'static str, event: &'static str) -> Error {
        let entry = Entry {
            action: Some(action.into()),
            target: Target { kind: "Absent".into(), id: "absent".into(), name: String::new() },
            decision: Decision::Deny,
            outcome: Outcome::Denied,
            ..self.blank(party, event)
        };
        metrics::decision(action, "absent", std::time::Duration::ZERO);
        self.ledger.record(entry).await.err().unwrap_or(Error::NotFound)
    }

    /// Takes from the answer what only the audit needs.
    fn entry(&self, party: Party<'_>, question: &Question<'_>, answer: &mut Answer) -> Entry {
        let allow = answer.outcome.allow;
        let mut entry = Entry {
            action: Some(question.action.into()),
            target: question.resource.target(),
            decision: if allow { Decision::Allow } else { Decision::Deny },
            outcome: if allow { Outcome::Success } else { Outcome::Denied },
            reasons: answer.outcome.reasons.clone(),
            errors: answer.outcome.errors.clone(),
            bundle: Some(answer.bundle.digest().to_owned()),
            asked: answer.recorded.take(),
            facts: Some(answer.told.json.clone()),
            ..self.blank(party, question.event)
        };
        if let Some(it) = &answer.denied {
            entry.details.insert("denied".into(), json!(it));
        }
        if let Some(it) = &answer.told.unfit {
            entry.details.insert("unfit".into(), it.pointer.as_str().into());
        }
        entry
    }

    fn blank(&self, party: Party<'_>, event: &'static str) -> Entry {
        let mut details = shown(party.caller);
        if let Some(it) = party.behalf {
            it.tell(&mut details);
        }
        Entry {
            id: self.clock.new_id(),
            at: self.clock.now(),
            event: event.into(),
            action: None,
            actor: party.caller.principal().actor(),
            target: Target { kind: String::new(), id: String::new(), name: String::new() },
            decision: Decision::Deny,
            outcome: Outcome::Denied,
            reasons: Vec::new(),
            errors: Vec::new(),
            bundle: None,
            request: Some(party.caller.origin().clone()),
            asked: None,
            facts: None,
            details,
        }
    }
}

/// Which API key or credential the caller showed: several may stand for the same principal.
fn shown(caller: &Caller) -> BTreeMap<String, serde_json::Value> {
    match caller.session().proof.via {
        Via::ApiKey(id) => [("by_api_key".to_owned(), id.to_string().into())].into(),
        Via::Credential(id) => [("by_credential".to_owned(), id.to_string().into())].into(),
        _ => BTreeMap::new(),
    }
}

/// The verdict on asking for a list: what may be seen is decided for each of its members.
fn allowed() -> Verdict {
    Verdict { allow: true, reasons: Vec::new(), errors: Vec::new() }
}

/// Makes known that policies failed to evaluate; whatever they were asked about was denied.
fn report(action: &'static str, errors: &[String]) {
    if errors.is_empty() {
        return;
    }
    metrics::evaluation_error();
    tracing::error!(action, ?errors, "a policy failed to evaluate; what was asked was denied");
}
