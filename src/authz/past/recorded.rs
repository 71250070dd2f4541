//! What an allowed request leaves behind: with its effect, and with its end.

use uuid::Uuid;

use super::rows::{self, NewRow};
use super::writer::Held;
use crate::audit::Outcome;
use crate::policy::Ending;
use crate::store::Statement;

/// Travels in the warrant. Dropped before it was written, it gives back what was reserved.
#[derive(Debug, Default)]
pub struct Recorded {
    held: Option<Held>,
    /// The request whose rows these are.
    id: Uuid,
    ended: Vec<(Ending, NewRow)>,
    /// The decision that it was made on, where the entry that tells its end is another.
    decision: Option<Uuid>,
    /// Whether what was counted at the beginning turned out never to have begun.
    unbegun: bool,
}

impl Recorded {
    pub(super) fn new(held: Option<Held>, ended: Vec<(Ending, NewRow)>) -> Recorded {
        let id = held.as_ref().map_or_else(Uuid::nil, |it| it.id);
        Recorded { held, id, ended, decision: None, unbegun: false }
    }

    /// Nobody is going to tell how it ended.
    pub fn without_end(self) -> Recorded {
        Recorded { ended: Vec::new(), ..self }
    }

    /// What is left for the entry that tells how it ended.
    pub fn follow(&mut self) -> Recorded {
        Recorded { id: self.id, ended: std::mem::take(&mut self.ended), ..Recorded::default() }
    }

    /// The same as what ended of the request that was made on this decision.
    pub fn made_on(self, decision: Uuid) -> Recorded {
        Recorded { decision: Some(decision), ..self }
    }

    /// What was to be done never left: it counts for nothing.
    pub fn never_began(&mut self) {
        self.unbegun = true;
    }

    /// For the commit that carries the effect, or tells its outcome: `at` is when that is, in
    /// microseconds, and `id` the entry's.
    pub fn statements(&self, outcome: Outcome, at: i64, id: Uuid) -> Vec<Statement> {
        let kept = self.held.as_ref().map(|it| rows::settle(it.id, it.facts.len() as u64));
        let taken_back = (self.unbegun && !self.id.is_nil()).then(|| rows::give_back(self.id));
        let ended = match outcome {
            Outcome::Success => Ending::Success,
            Outcome::Denied | Outcome::Conflict | Outcome::Failed => Ending::Failed,
        };
        let counted = self.ended.iter().filter(|(ending, _)| *ending == ended);
        let made_on = self.decision.unwrap_or(id);
        let counted = counted.map(|(_, row)| row.settled(made_on, at));
        kept.into_iter().chain(taken_back).chain(counted).collect()
    }

    /// Keeps what was reserved: it was, or may have been, written.
    pub fn settle(self) {
        if let Some(held) = self.held {
            held.settle();
        }
    }
}
