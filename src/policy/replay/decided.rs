//! What an entry of the audit says about a decision.

use jiff::Timestamp;
use uuid::Uuid;

use super::asked::{Unknown, ask};
use super::at_hand::AtHand;
use super::flip::{Flip, Known, Turn};
use crate::audit::{Decision, Entry};
use crate::authz::case::{Case, Unreplayable};
use crate::policy::Bundle;

/// What an entry is, to somebody who asks again.
pub enum Kind {
    Decision(Box<Decided>),
    /// A list, which stands for a decision on each of its members.
    Listing,
    /// Nothing that policies decided.
    NoDecision,
}

/// One recorded decision.
pub struct Decided {
    pub id: Uuid,
    pub at: Timestamp,
    pub principal: Known,
    pub action: String,
    pub resource: Known,
    pub allowed: bool,
    pub reasons: Vec<String>,
    /// The digest of the bundle that decided.
    pub bundle: String,
    /// The question, where it can be put again.
    pub case: Result<Case, Unknown>,
}

impl Decided {
    pub fn of(entry: Entry) -> Kind {
        // Only policies say what a list shows, and only a decision names its bundle.
        if entry.details.contains_key("shown") {
            return Kind::Listing;
        }
        let case = Case::of_entry(&entry).map_err(|why| match why {
            Unreplayable::NotAsked | Unreplayable::NotRecorded => Unknown::NotRecorded,
            Unreplayable::Unreadable(_) => Unknown::Unreadable,
        });
        let (Some(action), Some(bundle)) = (entry.action, entry.bundle) else {
            return Kind::NoDecision;
        };
        Kind::Decision(Box::new(Decided {
            id: entry.id,
            at: entry.at,
            principal: entry.actor.into(),
            action,
            resource: entry.target.into(),
            allowed: entry.decision == Decision::Allow,
            reasons: entry.reasons,
            bundle,
            case,
        }))
    }

    /// What the candidate makes of it: none where it says the same.
    ///
    /// # Errors
    /// Why the question cannot be put to the candidate, or its answer says nothing.
    pub fn under(
        self,
        candidate: &Bundle,
        at_hand: &AtHand,
    ) -> Result<Option<(Turn, Flip)>, Unknown> {
        let case = self.case?;
        let then = at_hand.declared(&self.bundle);
        if let Some(own) = at_hand.bundle(&self.bundle)
            && ask(&case, own, (self.allowed, then)).map_or(true, |it| it.allow != self.allowed)
        {
            return Err(Unknown::NotReproduced);
        }
        let outcome = ask(&case, candidate, (self.allowed, then))?;
        let Some(turn) = Turn::between(self.allowed, outcome.allow) else { return Ok(None) };
        let flip = Flip {
            decision_id: self.id,
            at: self.at,
            principal: self.principal,
            action: self.action,
            resource: self.resource,
            reasons_before: self.reasons,
            reasons_after: outcome.reasons,
            errors_after: outcome.errors,
        };
        Ok(Some((turn, flip)))
    }
}
