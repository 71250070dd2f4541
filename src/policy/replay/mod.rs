//! Replay: what would have become of recorded decisions, had other policies made them.
//!
//! Each decision is asked again by itself, on the facts that were recorded with it: the counters as
//! they stood, the approval, the mandate, the principals and the tool as they were. It is held
//! against the answer that was given; where they differ, that is a [`Flip`].
//!
//! What is not asked again is counted, never passed over: see [`Unknown`].

mod asked;
mod at_hand;
mod decided;
#[cfg(test)]
pub(super) mod fixture;
mod flip;
mod report;
mod since;
mod window;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::asked::{Unknown, ask};
pub use self::at_hand::AtHand;
pub use self::decided::{Decided, Kind};
pub use self::flip::{Flip, Group, Groups, Known, Turn};
pub use self::report::Report;
pub use self::since::{NoSince, Since};
pub use self::window::{Bounds, Gathering, LeftOut, Limit, Replaying, gather};

use super::Bundle;
use crate::audit::Entry;

/// Flips of each kind that are listed; those beyond are counted.
const FLIPS_MAX: usize = 5_000;
/// From this share of decisions on that could not be asked again, in percent, nobody knows what a
/// candidate opens.
const UNKNOWN_PERCENT_MAX: usize = 10;

/// What a candidate makes of recorded decisions.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Replay {
    /// Decided decisions about one resource each.
    pub total: usize,
    /// Those that were asked again.
    pub replayed: usize,
    /// From denial to allow, newest first.
    pub opened: Vec<Flip>,
    /// From allow to denial, newest first.
    pub closed: Vec<Flip>,
    /// Those that could not be asked again, by why.
    pub unreplayable: BTreeMap<String, usize>,
    /// Lists that were asked for: one entry stands for a decision on each of their members, which
    /// are not recorded. They are not among `total`.
    pub listings: usize,
    /// Entries that are no decisions of policies: what came of an act, what the service does by
    /// itself, and requests about what was not there.
    pub undecided: usize,
    /// Flips beyond those that are listed.
    pub opened_unlisted: usize,
    pub closed_unlisted: usize,
}

/// Asks `candidate` what was asked in `entries`, newest first. `at_hand` are the bundles that may
/// have decided them: a record that its own bundle does not reproduce tells nothing about another.
pub fn replay(
    candidate: &Bundle,
    at_hand: &AtHand,
    entries: impl IntoIterator<Item = Entry>,
) -> Replay {
    let mut replay = Replay::default();
    for entry in entries {
        replay.take(candidate, at_hand, entry);
    }
    replay
}

impl Replay {
    /// Asks about one more entry.
    pub fn take(&mut self, candidate: &Bundle, at_hand: &AtHand, entry: Entry) {
        match Decided::of(entry) {
            Kind::Decision(it) => self.decide(candidate, at_hand, *it),
            Kind::Listing => self.listings += 1,
            Kind::NoDecision => self.undecided += 1,
        }
    }

    /// Takes note of an entry that cannot even be read.
    pub fn unreadable(&mut self) {
        self.total += 1;
        self.unknown(Unknown::Unreadable);
    }

    fn decide(&mut self, candidate: &Bundle, at_hand: &AtHand, decided: Decided) {
        self.total += 1;
        match decided.under(candidate, at_hand) {
            Ok(None) => self.replayed += 1,
            Ok(Some((turn, flip))) => {
                self.replayed += 1;
                self.keep(turn, flip);
            }
            Err(why) => self.unknown(why),
        }
    }

    fn keep(&mut self, turn: Turn, flip: Flip) {
        let (listed, unlisted) = match turn {
            Turn::Opened => (&mut self.opened, &mut self.opened_unlisted),
            Turn::Closed => (&mut self.closed, &mut self.closed_unlisted),
        };
        if listed.len() < FLIPS_MAX { listed.push(flip) } else { *unlisted += 1 }
    }

    fn unknown(&mut self, why: Unknown) {
        *self.unreplayable.entry(why.as_str().to_owned()).or_default() += 1;
    }

    /// Lists the decisions that close only where `is_counted`; says how many of them are not.
    pub fn set_aside_closed(&mut self, is_counted: impl Fn(&Flip) -> bool) -> usize {
        let before = self.closed.len();
        self.closed.retain(is_counted);
        before - self.closed.len()
    }

    /// How many decisions turn from denial to allow.
    pub fn opened_count(&self) -> usize {
        self.opened.len() + self.opened_unlisted
    }

    /// How many decisions turn from allow to denial.
    pub fn closed_count(&self) -> usize {
        self.closed.len() + self.closed_unlisted
    }

    /// How many decisions could not be asked again.
    pub fn unknown_count(&self) -> usize {
        self.unreplayable.values().sum()
    }

    /// Whether so many decisions could not be asked again that `opened` says nothing about what
    /// the candidate opens.
    pub fn is_unknown(&self) -> bool {
        self.unknown_count() * 100 > self.total * UNKNOWN_PERCENT_MAX
    }

    /// How many decisions it turns, either way, for whoever weighs that: a change that shuts everybody
    /// out is one, too. All there could be, where nobody knows.
    pub fn blast_radius(&self) -> u64 {
        match self.is_unknown() {
            true => u64::MAX,
            false => (self.opened_count() + self.closed_count()) as u64,
        }
    }

    /// The listed flips by who asked about what.
    pub fn groups(&self) -> Groups {
        let mut groups = Groups::default();
        for (turn, flips) in [(Turn::Opened, &self.opened), (Turn::Closed, &self.closed)] {
            flips.iter().for_each(|it| groups.add(turn, it));
        }
        groups
    }
}
