//! What a shadow remembers: counts, and flips by who asked about what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::live::Ended;
use crate::policy::replay::{Group, Groups, Turn};

/// How live decisions ended under the candidate, since it is shadowed in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    pub same: u64,
    /// Denied, and the candidate would have allowed.
    pub opened: u64,
    /// Allowed, and the candidate would have denied.
    pub closed: u64,
    /// Not decided under the candidate: the shadow was behind, or the candidate's schema does not
    /// take the question.
    pub skipped: u64,
    /// Handed over, and not decided yet.
    #[serde(default)]
    pub waiting: u64,
}

impl Counts {
    /// How many were decided under the candidate, or could not be.
    fn ended(self) -> u64 {
        self.same + self.opened + self.closed + self.skipped
    }
}

/// What came of a shadow so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub counts: Counts,
    /// The flips, those with the most first.
    pub groups: Vec<Group>,
    /// Flips that are in no group, because there are too many groups.
    pub ungrouped: usize,
}

#[derive(Default)]
pub(super) struct Kept {
    counts: Counts,
    groups: Groups,
}

impl Kept {
    pub fn take(&mut self, ended: Ended) {
        match ended {
            Ended::Same => self.counts.same += 1,
            Ended::Unasked => self.counts.skipped += 1,
            Ended::Turned(turn, flip) => {
                match turn {
                    Turn::Opened => self.counts.opened += 1,
                    Turn::Closed => self.counts.closed += 1,
                }
                self.groups.add(turn, &flip);
            }
        }
    }

    /// `handed` were handed over, by the time that these are looked at.
    pub fn seen(&self, handed: u64) -> Seen {
        let waiting = handed.saturating_sub(self.counts.ended());
        Seen {
            counts: Counts { waiting, ..self.counts },
            groups: self.groups.most_first(),
            ungrouped: self.groups.left_out(),
        }
    }
}
