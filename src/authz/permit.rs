//! Proof of a decision: the permit that an action runs on, and the warrant that its effects ask for.

use std::fmt;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use uuid::Uuid;

use super::action::{Action, Listing};
use super::answer::Grounds;
use super::behalf::{Behalf, Party};
use super::case::Case;
use super::facts::Usage;
use super::past::Recorded;
use super::quota::Reservation;
use crate::audit::{Actor, Decision, Entry, Outcome, Target};
use crate::authn::Caller;
use crate::clock::Clock;
use crate::policy::Bundle;
use crate::{Error, Result};

/// Proof that the policies allowed this caller this very action.
///
/// A permit owns the action and the resource that were decided on, so what runs is what was
/// decided. It is spent by value and cannot be cloned, nor built anywhere but in `authorize`:
///
/// ```compile_fail,E0451
/// use gatewright::authz::Permit;
/// use gatewright::registry::DeleteTool;
///
/// fn forge(like: Permit<DeleteTool>, action: DeleteTool) -> Permit<DeleteTool> {
///     Permit { action, ..like }
/// }
/// ```
///
/// ```compile_fail,E0382
/// use gatewright::authz::Permit;
/// use gatewright::registry::{DeleteTool, Registry};
///
/// async fn twice(registry: &Registry, permit: Permit<DeleteTool>) {
///     let _ = registry.delete(permit).await;
///     let _ = registry.delete(permit).await;
/// }
/// ```
///
/// ```compile_fail,E0308
/// use gatewright::authz::Permit;
/// use gatewright::registry::{Registry, ShowTool};
///
/// async fn another(registry: &Registry, permit: Permit<ShowTool>) {
///     let _ = registry.delete(permit).await;
/// }
/// ```
#[must_use = "a permit that is not spent did nothing"]
pub struct Permit<A: Action> {
    caller: Caller,
    behalf: Option<Arc<Behalf>>,
    action: A,
    resource: A::Resource,
    grounds: Grounds,
    warrant: Warrant,
}

impl<A: Action> fmt::Debug for Permit<A>
where
    A::Resource: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = self.warrant.decision();
        f.debug_struct("Permit")
            .field("action", &self.action)
            .field("resource", &self.resource)
            .field("decision", &decision)
            .finish_non_exhaustive()
    }
}

impl<A: Action> Permit<A> {
    pub(super) fn new(
        caller: Caller,
        behalf: Option<Arc<Behalf>>,
        action: A,
        resource: A::Resource,
        grounds: Grounds,
        warrant: Warrant,
    ) -> Self {
        Permit { caller, behalf, action, resource, grounds, warrant }
    }

    /// The decision as one that can be made again, and the bundle that made it.
    pub(super) fn case(&self) -> (Case, &Bundle) {
        let party = Party { caller: &self.caller, behalf: self.behalf.as_deref() };
        (self.grounds.case(party, A::NAME, &self.resource), &self.grounds.bundle)
    }

    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// In whose name, when it is not the caller's own.
    pub fn behalf(&self) -> Option<&Arc<Behalf>> {
        self.behalf.as_ref()
    }

    pub fn action(&self) -> &A {
        &self.action
    }

    pub fn resource(&self) -> &A::Resource {
        &self.resource
    }

    pub fn warrant(&self) -> &Warrant {
        &self.warrant
    }

    /// Spends the permit: the effect's materials, and the warrant to write with.
    pub fn spend(self) -> (Caller, A, A::Resource, Warrant) {
        (self.caller, self.action, self.resource, self.warrant)
    }
}

/// The members of a collection that the policies let this caller see. A page is rendered from
/// these and from nothing else.
#[must_use = "what was decided to be visible should be shown"]
pub struct Visible<L: Listing> {
    items: Vec<L::Item>,
    next_page_token: String,
    warrant: Warrant,
}

impl<L: Listing> Visible<L> {
    pub(super) fn new(items: Vec<L::Item>, next_page_token: String, warrant: Warrant) -> Self {
        Visible { items, next_page_token, warrant }
    }

    pub fn items(&self) -> &[L::Item] {
        &self.items
    }

    /// Empty when this is the last page.
    pub fn next_page_token(&self) -> &str {
        &self.next_page_token
    }

    pub fn warrant(&self) -> &Warrant {
        &self.warrant
    }
}

/// Why an effect may happen. Every write, every signature asks for one.
///
/// It lives in a permit; or it stands for what the service does on nobody's behalf, and then every
/// use is a place to review.
#[derive(Debug)]
pub struct Warrant {
    record: Arc<Record>,
}

impl Warrant {
    pub(super) fn new(record: Arc<Record>) -> Warrant {
        Warrant { record }
    }

    /// For what the service does on nobody's behalf; `task` is what the audit will say.
    pub fn system(task: &'static str, clock: &Clock) -> Warrant {
        let entry = Entry {
            id: clock.new_id(),
            at: clock.now(),
            event: format!("system.{task}"),
            action: None,
            actor: Actor::system(task),
            target: Target { kind: "System".into(), id: "system".into(), name: String::new() },
            decision: Decision::Allow,
            outcome: Outcome::Success,
            reasons: Vec::new(),
            errors: Vec::new(),
            bundle: None,
            request: None,
            asked: None,
            facts: None,
            details: Default::default(),
        };
        Warrant { record: Arc::new(Record::new(entry)) }
    }

    /// The same under the word that the audit has for what is done, where it has one.
    pub fn called(self, event: &'static str) -> Warrant {
        self.record.change(|entry| entry.event = event.into());
        self
    }

    /// For writing down how it ended what this warrant allowed to begin: an entry of its own, by the
    /// same actor and about the same target, that names the decision.
    ///
    /// # Errors
    /// This warrant's own entry is written already, and there is nothing to follow up.
    pub fn then(&self, event: &'static str, clock: &Clock) -> Result<Warrant> {
        let follow = |before: &Entry| Entry {
            id: clock.new_id(),
            event: event.into(),
            action: None,
            actor: before.actor.clone(),
            target: before.target.clone(),
            request: before.request.clone(),
            reasons: Vec::new(),
            errors: Vec::new(),
            bundle: None,
            asked: None,
            facts: None,
            details: [("decision".to_owned(), before.id.to_string().into())].into(),
            at: before.at,
            decision: before.decision,
            outcome: before.outcome,
        };
        let entry = self.record.peek(follow);
        let entry = entry.ok_or(Error::internal("what follows up comes after what it follows"))?;
        let recorded = self.record.recorded(Recorded::follow).unwrap_or_default();
        let recorded = recorded.made_on(self.decision());
        Ok(Warrant { record: Arc::new(Record::reserved(entry, None, recorded)) })
    }

    /// The counters as they were reserved, where what was allowed takes from a quota.
    pub fn usage(&self) -> Option<Usage> {
        let open = self.record.open.lock().ok()?;
        open.as_ref()?.reservation.as_ref().map(Reservation::usage)
    }

    /// Says when and how it ended, for the entry that follows up.
    pub fn ended(&self, outcome: Outcome, clock: &Clock) {
        self.record.change(|entry| {
            entry.at = clock.now();
            entry.outcome = outcome;
        });
    }

    /// Leaves this behind, too, with what is written.
    pub fn leave(&self, recorded: Recorded) {
        self.record.recorded(|it| *it = recorded);
    }

    /// Says that what was allowed to begin never left, for the entry that follows up: it is not to
    /// count for what happened.
    pub fn never_began(&self) {
        self.record.recorded(Recorded::never_began);
    }

    /// The id of the decision that this warrant stems from.
    pub fn decision(&self) -> Uuid {
        self.record.id
    }

    /// Adds to the audit entry what only the act knows. Names and ids, never a secret.
    pub fn note(&self, key: &str, value: impl Into<Value>) {
        self.record.note(key, value.into());
    }

    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.record
    }
}

/// The entry of one decision until it is written: taken once, by the commit that carries it.
#[derive(Debug)]
pub struct Record {
    id: Uuid,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
pub(crate) struct Open {
    pub entry: Entry,
    pub reservation: Option<Reservation>,
    pub recorded: Recorded,
}

impl Record {
    pub(super) fn new(entry: Entry) -> Record {
        Record::reserved(entry, None, Recorded::default())
    }

    pub(super) fn reserved(
        entry: Entry,
        reservation: Option<Reservation>,
        recorded: Recorded,
    ) -> Record {
        Record { id: entry.id, open: Mutex::new(Some(Open { entry, reservation, recorded })) }
    }

    pub fn id(&self) -> Uuid {
        self.id
    }

    pub(crate) fn take(&self) -> Option<Open> {
        self.open.lock().ok()?.take()
    }

    fn peek<T>(&self, look: impl FnOnce(&Entry) -> T) -> Option<T> {
        self.open.lock().ok()?.as_ref().map(|open| look(&open.entry))
    }

    fn recorded<T>(&self, work: impl FnOnce(&mut Recorded) -> T) -> Option<T> {
        self.open.lock().ok()?.as_mut().map(|open| work(&mut open.recorded))
    }

    fn change(&self, work: impl FnOnce(&mut Entry)) {
        if let Ok(mut open) = self.open.lock()
            && let Some(open) = open.as_mut()
        {
            work(&mut open.entry);
        }
    }

    fn note(&self, key: &str, value: Value) {
        self.change(|it| {
            it.details.insert(key.to_owned(), value);
        });
    }
}
