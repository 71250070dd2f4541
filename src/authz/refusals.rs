//! Saying no: written down, explained as far as the caller may know, and hidden where it may not.

use std::sync::Arc;

use cedar_policy::EntityUid;

use super::action::{Action, Resource, TheRegistry};
use super::answer::{Answer, Question};
use super::behalf::Party;
use super::case::Case;
use super::explain::{self, Cured, Reach};
use super::uid::Kind;
use super::{Authz, Seat};
use crate::audit::{Decision, Entry, Outcome, Target};
use crate::authn::Caller;
use crate::error::{Denial, Fix};
use crate::policy::{self, Bundle};
use crate::{Error, Result, metrics};

impl Authz {
    /// Denied: explained as far as the caller may know, hidden where it may not.
    pub(super) async fn deny(
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
        let (case, bundle) = (Arc::new(answer.case(party, question)), &answer.bundle);
        let reach = self.reach(question.cost_micros);
        let asked = (case.clone(), bundle.clone());
        let cured = self.cured(party.caller, asked, reach.clone()).await;
        let is_sought = cured.as_ref().is_some_and(|it| it.complete);
        let mut fixes = cured.map(|it| it.fixes).unwrap_or_default();
        if fixes.is_empty() && !is_sought {
            fixes.extend(explain::yes(&case, &answer.outcome.reasons, bundle, &reach));
        }
        self.tell_of_enrolment(&party.caller.principal().uid(), &mut fixes).await;
        let detail = answer.detail();
        let waits = match fixes.is_empty() && !is_sought {
            // Nobody found out whether something else is missing, and it is said by those who denied.
            true => answer.is_quota_alone(),
            false => fixes.len() == 1,
        };
        let quota = answer.is_quota_refusal() && waits;
        let reasons = answer.outcome.reasons;
        let denial = Box::new(Denial { decision_id, reasons, detail, fixes });
        if quota { Error::QuotaExceeded(denial) } else { Error::Denied(denial) }
    }

    /// What would turn a denial into an allow, of something that costs this much: millionths of a
    /// US dollar. Nothing, too, where too many ask that at once.
    pub async fn fixes(
        &self,
        caller: &Caller,
        asked: (Case, Arc<Bundle>),
        cost_micros: u64,
    ) -> Vec<Fix> {
        let (case, bundle) = asked;
        let asked = (Arc::new(case), bundle);
        let cured = self.cured(caller, asked, self.reach(cost_micros)).await;
        cured.map(|it| it.fixes).unwrap_or_default()
    }

    async fn cured(
        &self,
        caller: &Caller,
        asked: (Arc<Case>, Arc<Bundle>),
        reach: Reach,
    ) -> Option<Cured> {
        self.searches.cure(caller.principal().id(), asked, reach).await
    }

    /// A place to explain a decision in.
    ///
    /// # Errors
    /// Too many are being explained.
    pub async fn explaining(&self, caller: &Caller) -> Result<Seat> {
        self.searches.explaining(caller.principal().id()).await
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
    pub(super) fn is_hidden(
        &self,
        party: Party<'_>,
        action: &str,
        resource: &dyn Resource,
    ) -> bool {
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
    pub(super) async fn unasked<A: Action>(
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
    pub(super) async fn absent(
        &self,
        party: Party<'_>,
        action: &'static str,
        event: &'static str,
    ) -> Error {
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
}
