//! A live decision on its way to the shadow, and how it ends there.

use std::sync::Arc;

use crate::audit::{Decision, Entry};
use crate::authz::Told;
use crate::authz::case::Recorded;
use crate::policy::Bundle;
use crate::policy::replay::{Flip, Turn, ask};

/// A decision as it was made, with what it was made on.
pub struct Live {
    asked: Recorded,
    told: Arc<Told>,
    own: Arc<Bundle>,
    allowed: bool,
    /// As a flip, should it be one.
    flip: Flip,
}

/// What the candidate makes of it.
pub enum Ended {
    Same,
    Turned(Turn, Box<Flip>),
    /// It cannot be asked, or not with what is told today.
    Unasked,
}

impl Live {
    /// From what the audit is to be told, and the bundle that decided; none where that is no
    /// decision on one question.
    pub fn of(entry: &Entry, told: &Arc<Told>, own: &Arc<Bundle>) -> Option<Live> {
        let flip = Flip {
            decision_id: entry.id,
            at: entry.at,
            principal: entry.actor.clone().into(),
            action: entry.action.clone()?,
            resource: entry.target.clone().into(),
            reasons_before: entry.reasons.clone(),
            reasons_after: Vec::new(),
            errors_after: Vec::new(),
        };
        let allowed = entry.decision == Decision::Allow;
        let (told, own) = (told.clone(), own.clone());
        Some(Live { asked: entry.asked.clone()?, told, own, allowed, flip })
    }

    pub(super) fn under(self, candidate: &Bundle) -> Ended {
        let Live { asked, told, own, allowed, flip } = self;
        let Ok(case) = asked.on(told.facts.clone()) else { return Ended::Unasked };
        let Ok(outcome) = ask(&case, candidate, (allowed, Some(own.past()))) else {
            return Ended::Unasked;
        };
        let Some(turn) = Turn::between(allowed, outcome.allow) else { return Ended::Same };
        let flip = Flip { reasons_after: outcome.reasons, errors_after: outcome.errors, ..flip };
        Ended::Turned(turn, Box::new(flip))
    }
}

impl Ended {
    /// As the figures call it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Ended::Same => "same",
            Ended::Turned(Turn::Opened, _) => "opened",
            Ended::Turned(Turn::Closed, _) => "closed",
            Ended::Unasked => "skipped",
        }
    }
}
