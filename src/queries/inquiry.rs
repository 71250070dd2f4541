//! One request's questions: what it may ask, and the answers, each decided like a request would be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cedar_policy::{Entity, EntityTypeName, EntityUid};

use super::circumstances;
use super::model::{Asked, Decision, Properties};
use super::names::{Names, Subject, Thing};
use super::overlay::overlaid;
use super::particulars::{Given, Particular};
use super::right::{QueryAccess, Trust, particulars};
use super::scopes::Scopes;
use crate::Result;
use crate::authn::Caller;
use crate::authz::facts::Facts;
use crate::authz::uid::NAMESPACE;
use crate::authz::{Authz, Resource};
use crate::directory::Principal;
use crate::policy::Bundle;

/// The name that COAZ has for calling a tool.
pub const TOOLS_CALL: &str = "tools/call";
const INVOKE: &str = "invoke";
/// Decisions that one page of a search may cost.
pub(super) const DECISIONS_MAX: usize = 1_000;
/// How long a page may take to decide; it ends then, as it does when it is full.
const TIME_MAX: Duration = Duration::from_secs(1);
/// Denials of one request for which it is looked what would help, and answers for which it is told
/// what they hang on.
const TOLD_MAX: usize = 5;

/// Who asks, and what there is to ask about.
pub struct Inquiry<'a> {
    pub authz: &'a Authz,
    pub caller: &'a Caller,
    pub names: Names,
    /// How long a credential lives whose request does not say.
    pub credential_ttl_seconds: u64,
    pub(super) scopes: Scopes,
    began: Instant,
    decisions: AtomicUsize,
    pub(super) cures: AtomicUsize,
    pub(super) told: AtomicUsize,
}

/// One question, with those it names found.
pub struct Question<'a> {
    pub asked: &'a Asked,
    pub subject: Subject,
    pub(super) thing: Option<Thing>,
}

/// Somebody as a decision takes them.
#[derive(Clone)]
pub(super) struct Who {
    pub entity: Entity,
    pub others: Option<Vec<Entity>>,
    pub facts: Facts,
    /// Whose counters count.
    pub counted: Option<Principal>,
}

impl<'a> Inquiry<'a> {
    /// `began` is when the request was taken up.
    pub fn new(
        authz: &'a Authz,
        caller: &'a Caller,
        credential_ttl_seconds: u64,
        began: Instant,
    ) -> Inquiry<'a> {
        let names = Names::new(authz.bundle(), authz.world());
        Inquiry {
            authz,
            caller,
            names,
            credential_ttl_seconds,
            scopes: Scopes::default(),
            began,
            decisions: AtomicUsize::new(0),
            cures: AtomicUsize::new(0),
            told: AtomicUsize::new(0),
        }
    }

    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.names.bundle
    }

    /// How many decisions were made so far.
    pub fn decisions(&self) -> usize {
        self.decisions.load(Ordering::Relaxed)
    }

    /// Whether one request has had its share of decisions, or of time.
    pub(super) fn is_spent(&self) -> bool {
        self.decisions() >= DECISIONS_MAX || self.began.elapsed() >= TIME_MAX
    }

    pub(super) fn count(&self, decisions: usize) {
        self.decisions.fetch_add(decisions, Ordering::Relaxed);
    }

    /// Whether an answer is still told more of: that takes many decisions.
    pub(super) fn has_turn(&self, turns: &AtomicUsize) -> bool {
        turns.fetch_add(1, Ordering::Relaxed) < TOLD_MAX
    }

    pub fn question<'q>(&self, asked: &'q Asked) -> Question<'q> {
        let kind = self.names.subject_kind(&asked.subject.kind);
        let subject = self.names.subject(kind.as_ref(), &asked.subject.id);
        let kind = self.names.thing_kind(&asked.resource.kind);
        let thing = kind.and_then(|it| self.names.thing(&it, &asked.resource.id));
        Question { asked, subject, thing }
    }

    /// Whether the caller may ask this, where it has a permit for another question of the same
    /// request.
    pub fn may_ask(&self, question: &Question<'_>) -> Result<bool> {
        let right = question.right();
        let told = particulars(right.tool_owner.as_deref());
        self.count(1);
        self.authz.would_allow(self.caller, "query_access", &right.about, &told)
    }

    /// What would be decided.
    ///
    /// # Errors
    /// None that the question is to blame for: what cannot be decided is answered with no.
    pub async fn answer(&self, question: &Question<'_>) -> Result<Decision> {
        let owner = question.tool_owner();
        let trust = self.trusts(&question.subject.about, owner.as_deref())?;
        let knows = self.knows(&question.subject, trust)?;
        if !knows && self.is_withheld(question) {
            return Ok(Decision::forbidden());
        }
        let decision = self.answer_trusting(trust, question).await?;
        let decision = match decision.decision && question.asked.action.name == TOOLS_CALL {
            true => self.also_as_mapped(question, decision).await?,
            false => decision,
        };
        Ok(if knows { decision } else { decision.without_grounds() })
    }

    /// Whether this is asked of a tool and is no use of it: who manages what is nothing that has to
    /// be known at its door.
    fn is_withheld(&self, question: &Question<'_>) -> bool {
        let name = named(&question.asked.action.name);
        let mut meant = self.bundle().actions().filter(|it| it.id().unescaped() == name);
        matches!(question.thing, Some(Thing::Tool(_))) && meant.any(|it| !self.is_use(it))
    }

    pub(super) async fn answer_trusting(
        &self,
        trust: Trust,
        question: &Question<'_>,
    ) -> Result<Decision> {
        let Asked { subject, action, resource, context } = question.asked;
        let mut ignored = Vec::new();
        let mut supplied = |of: &str, from: &Properties| match trust.properties {
            true => from.clone(),
            false => {
                ignored.extend(from.keys().map(|it| pointer(&[of, "properties", it])));
                Properties::new()
            }
        };
        let (of_subject, of_thing) =
            (supplied("subject", &subject.properties), supplied("resource", &resource.properties));
        let mut who = match self.who(&question.subject, &of_subject, &mut ignored)? {
            Ok(it) => it,
            Err(closed) => return Ok(closed.ignoring(ignored)),
        };
        let Some(thing) = self.visible(question.thing.as_ref())? else {
            return Ok(unknown_resource().ignoring(ignored));
        };
        let Some((thing, about)) = self.about(&thing, &of_thing, &mut ignored)? else {
            return Ok(unknown_resource().ignoring(ignored));
        };
        let uid = match self.action(&action.name, who.entity.uid().type_name(), &thing) {
            Ok(it) => it,
            Err(closed) => return Ok(closed.ignoring(ignored)),
        };
        let given = Given::new(action, context, trust.circumstances);
        let particular = match self.particular(&uid, &thing, given).await? {
            Ok(it) => it,
            Err(closed) => return Ok(closed.ignoring(ignored)),
        };
        self.tell(&mut who.facts, given, &particular, &mut ignored);
        let told = particular.telling();
        let (case, outcome) = self.decide(&who, &uid, (&thing, about), particular).await?;
        if !outcome.allow && !trust.properties && matches!(thing, Thing::Declared(..)) {
            return Ok(unknown_resource().ignoring(ignored));
        }
        Ok(self.answered(&case, outcome, told)?.ignoring(ignored))
    }

    /// Somebody, with what is told of them: the caller's own session for the caller, and for others
    /// that nothing is proven.
    pub(super) fn who(
        &self,
        subject: &Subject,
        properties: &Properties,
        ignored: &mut Vec<String>,
    ) -> Result<Result<Who, Decision>> {
        let is_declared = subject.entity.uid().type_name().namespace() != NAMESPACE;
        let is_told = is_declared && !properties.is_empty();
        if !subject.known && !is_told {
            return Ok(Err(Decision::closed("unknown_subject", "nobody is known by that id")));
        }
        let caller = self.caller.principal();
        let is_caller = subject.principal.as_ref().is_some_and(|it| it.uid() == caller.uid());
        let (stored, facts, others) = match is_caller {
            true => {
                let it = self.authz.present(self.caller)?;
                (it.principal, it.facts, it.others)
            }
            false => (subject.entity.clone(), self.authz.absent_facts()?, Some(Vec::new())),
        };
        let entity = match self.overlay("subject", &stored, properties, ignored) {
            Ok(it) => it,
            Err(closed) => return Ok(Err(closed)),
        };
        let mut who = Who { entity, others, facts, counted: subject.principal.clone() };
        if !is_caller {
            who.facts.token_scopes = self.holdable(&who.entity, &who.facts)?;
        }
        Ok(Ok(who))
    }

    fn overlay(
        &self,
        of: &str,
        stored: &Entity,
        properties: &Properties,
        ignored: &mut Vec<String>,
    ) -> Result<Entity, Decision> {
        if properties.is_empty() {
            return Ok(stored.clone());
        }
        match overlaid((&stored.uid(), Some(stored)), properties, self.bundle()) {
            Ok(it) => {
                ignored.extend(it.ignored.iter().map(|it| pointer(&[of, "properties", it])));
                Ok(it.entity)
            }
            Err(error) => {
                tracing::debug!(%error, "properties that make no entity");
                let reason = format!("the properties make no {of} that the schema knows");
                Err(Decision::closed("unacceptable", reason))
            }
        }
    }

    /// What the caller may know of.
    pub(super) fn visible(&self, thing: Option<&Thing>) -> Result<Option<Thing>> {
        let Some(thing) = thing else { return Ok(None) };
        let resource: &dyn Resource = match thing {
            Thing::Tool(it) => it,
            Thing::Principal(Principal::User(it)) => it,
            Thing::Principal(Principal::Agent(it)) => it,
            Thing::Plain(..) | Thing::Declared(..) => return Ok(Some(thing.clone())),
        };
        if resource.uid() == self.caller.principal().uid() {
            return Ok(Some(thing.clone()));
        }
        let Some(view) = resource.view() else { return Ok(Some(thing.clone())) };
        self.count(1);
        let told = (view.particulars)();
        let seen = self.authz.would_allow(self.caller, view.action, resource, &told)?;
        Ok(seen.then(|| thing.clone()))
    }

    /// The thing, and its entity with what is said of it; none where nobody tells of it.
    pub(super) fn about(
        &self,
        thing: &Thing,
        properties: &Properties,
        ignored: &mut Vec<String>,
    ) -> Result<Option<(Thing, Option<Entity>)>> {
        let bare;
        let stored = match (thing, thing.entity()) {
            (_, Some(it)) => it,
            (Thing::Declared(uid, None), None) if !properties.is_empty() => {
                bare = Entity::with_uid(uid.clone());
                &bare
            }
            (Thing::Declared(..), None) => return Ok(None),
            (_, None) => return Ok(Some((thing.clone(), None))),
        };
        let entity = self.overlay("resource", stored, properties, ignored);
        Ok(entity.ok().map(|it| (thing.clone(), Some(it))))
    }

    /// The action that goes by this name for a principal and a resource of these types.
    pub(super) fn action(
        &self,
        name: &str,
        principal: &EntityTypeName,
        thing: &Thing,
    ) -> Result<EntityUid, Decision> {
        let name = named(name);
        let resource = thing.uid();
        let mut named = self.bundle().actions().filter(|it| it.id().unescaped() == name).peekable();
        if named.peek().is_none() {
            return Err(Decision::closed("unknown_action", "there is no such action"));
        }
        let fits = |it: &&EntityUid| self.bundle().knows(principal, it, resource.type_name());
        named.find(fits).cloned().ok_or_else(|| {
            let reason = "the action is not one of such a subject on such a resource";
            Decision::closed("not_applicable", reason)
        })
    }

    /// Puts what the context says into the facts, where it counts.
    pub(super) fn tell(
        &self,
        facts: &mut Facts,
        given: Given<'_>,
        particular: &Particular,
        ignored: &mut Vec<String>,
    ) {
        let of_action = given.properties.keys().filter(|it| !particular.used.contains(*it));
        ignored.extend(of_action.map(|it| pointer(&["action", "properties", it])));
        for (name, value) in given.context {
            let taken = particular.used.contains(name)
                || (given.trusted
                    && circumstances::told(facts, name, value, (self.authz, self.bundle())));
            if !taken {
                ignored.push(pointer(&["context", name]));
            }
        }
    }
}

impl Question<'_> {
    /// What the caller must be allowed to ask it.
    pub fn right(&self) -> QueryAccess {
        QueryAccess { about: self.subject.about.clone(), tool_owner: self.tool_owner() }
    }

    fn tool_owner(&self) -> Option<String> {
        self.thing.as_ref().and_then(Thing::tool_owner)
    }
}

impl Decision {
    pub(super) fn ignoring(mut self, mut ignored: Vec<String>) -> Decision {
        ignored.sort_unstable();
        self.context.ignored = ignored;
        self
    }
}

/// What policies call an action.
fn named(name: &str) -> &str {
    if name == TOOLS_CALL { INVOKE } else { name }
}

fn unknown_resource() -> Decision {
    Decision::closed("unknown_resource", "no such thing is known, or it is not for you to know of")
}

/// A JSON pointer (RFC 6901).
pub fn pointer(parts: &[&str]) -> String {
    parts.iter().map(|it| format!("/{}", it.replace('~', "~0").replace('/', "~1"))).collect()
}
