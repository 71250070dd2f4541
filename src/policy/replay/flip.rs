//! A decision that comes out the other way round, and flips by who asked about what.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::audit::{Actor, Target};

/// How many decisions a group names.
const EXAMPLES_MAX: usize = 5;
/// How many groups there are, before the rest is only counted.
const GROUPS_MAX: usize = 1_000;

/// Somebody or something, as the audit knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Known {
    pub kind: String,
    pub id: String,
    pub name: String,
}

/// Which way a decision turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// From a denial to an allow.
    Opened,
    /// From an allow to a denial.
    Closed,
}

/// A decision that the candidate makes the other way round.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Flip {
    pub decision_id: Uuid,
    pub at: Timestamp,
    pub principal: Known,
    /// The id of the Cedar action.
    pub action: String,
    /// The tool, mostly.
    pub resource: Known,
    /// The policies that decided then.
    pub reasons_before: Vec<String>,
    /// Those of the candidate that decide now; none where nothing permits it any more.
    pub reasons_after: Vec<String>,
    /// What fails to evaluate under the candidate; any such error denies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors_after: Vec<String>,
}

/// Flips of one principal, action and resource.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    pub principal: Known,
    pub action: String,
    pub resource: Known,
    pub opened: usize,
    pub closed: usize,
    /// The ids of some of these decisions.
    pub examples: Vec<Uuid>,
}

/// Flips by principal, resource and action: bounded, however many there are.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    known: BTreeMap<(Known, Known, String), Group>,
    left_out: usize,
}

impl Turn {
    /// None where both say the same.
    pub fn between(allowed_before: bool, allows_now: bool) -> Option<Turn> {
        match (allowed_before, allows_now) {
            (false, true) => Some(Turn::Opened),
            (true, false) => Some(Turn::Closed),
            _ => None,
        }
    }
}

impl Groups {
    pub fn add(&mut self, turn: Turn, flip: &Flip) {
        let Flip { principal, resource, action, .. } = flip;
        let key = (principal.clone(), resource.clone(), action.clone());
        if self.known.len() >= GROUPS_MAX && !self.known.contains_key(&key) {
            self.left_out += 1;
            return;
        }
        let group = self.known.entry(key).or_insert_with(|| Group {
            principal: principal.clone(),
            action: action.clone(),
            resource: resource.clone(),
            opened: 0,
            closed: 0,
            examples: Vec::new(),
        });
        match turn {
            Turn::Opened => group.opened += 1,
            Turn::Closed => group.closed += 1,
        }
        if group.examples.len() < EXAMPLES_MAX {
            group.examples.push(flip.decision_id);
        }
    }

    /// Those with the most flips first.
    pub fn most_first(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.known.values().cloned().collect();
        groups.sort_by_key(|it| std::cmp::Reverse(it.opened + it.closed));
        groups
    }

    /// How many flips belong to no group, because there were too many of them.
    pub fn left_out(&self) -> usize {
        self.left_out
    }
}

impl From<Actor> for Known {
    fn from(Actor { kind, id, name }: Actor) -> Known {
        Known { kind, id, name }
    }
}

impl From<Target> for Known {
    fn from(Target { kind, id, name }: Target) -> Known {
        Known { kind, id, name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flip(principal: &str) -> Flip {
        let known = |id: &str| Known { kind: "x".into(), id: id.into(), name: id.into() };
        Flip {
            decision_id: Uuid::nil(),
            at: Timestamp::UNIX_EPOCH,
            principal: known(principal),
            action: "invoke".into(),
            resource: known("calc"),
            reasons_before: Vec::new(),
            reasons_after: Vec::new(),
            errors_after: Vec::new(),
        }
    }

    #[test]
    fn a_turn_is_a_difference() {
        assert_eq!(Turn::between(false, true), Some(Turn::Opened));
        assert_eq!(Turn::between(true, false), Some(Turn::Closed));
        assert_eq!(Turn::between(true, true), None);
        assert_eq!(Turn::between(false, false), None);
    }

    #[test]
    fn groups_are_counted_and_bounded() {
        let mut groups = Groups::default();
        for _ in 0..7 {
            groups.add(Turn::Closed, &flip("robot"));
        }
        groups.add(Turn::Opened, &flip("robot"));
        for number in 0..GROUPS_MAX {
            groups.add(Turn::Opened, &flip(&number.to_string()));
        }
        let all = groups.most_first();
        assert_eq!((all.len(), groups.left_out()), (GROUPS_MAX, 1));
        assert_eq!((all[0].opened, all[0].closed, all[0].examples.len()), (1, 7, EXAMPLES_MAX));
    }
}
