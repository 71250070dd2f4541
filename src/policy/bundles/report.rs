//! What a check found about a bundle, as the API tells it and the store keeps it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy::bundle::Step;
use crate::policy::invariants::Searched;
use crate::policy::prove::{Proof, ProvenInvariant};
use crate::policy::{Bundle, Fault};

/// Every step of a check and what came of it. A step that finds faults is the last one of parse,
/// validation, lint and tests; what comes after it is skipped, and says so.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CheckReport")]
pub struct Report {
    /// Whether nothing was found.
    pub passed: bool,
    pub parse: Section,
    /// By Cedar's validator, strictly.
    pub validation: Section,
    pub lint: Section,
    /// The bundle's own tables; `missing` where it has none, which is not green.
    pub tests: Section,
    pub invariants: Invariants,
    /// With the bundle that was active.
    pub comparison: Compared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CheckStatus")]
pub enum Status {
    Passed,
    Failed,
    /// A step before it failed.
    Skipped,
    /// There is nothing to check by: a bundle without tests.
    Missing,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Section {
    pub status: Status,
    pub faults: Vec<Found>,
}

/// A fault, where it is, and what would mend it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    pub file: String,
    /// From 1; missing for a fault of the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// In characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The `@id` of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    pub problem: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What holds in every bundle: nobody can lock the last policy admin out, nobody can raise
/// themselves.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Invariants {
    pub status: Status,
    pub violations: Vec<Violated>,
    /// How they were looked into; none where they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searched: Option<Looked>,
}

/// How far each invariant was looked into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "InvariantSearch")]
pub struct Looked {
    /// How many invariants there are.
    pub of: usize,
    /// How many were searched for a counter-example until everything was tried that a search tries.
    pub to_the_end: usize,
    /// Those whose search was cut off, and that were proved instead.
    pub proved: Vec<String>,
    /// Those whose search was cut off, and that were not proved: nobody knows. The bundle counts as one
    /// that widens.
    pub not_proved: Vec<Unproved>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "UnprovedInvariant")]
pub struct Unproved {
    pub invariant: String,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Violated {
    pub invariant: String,
    /// The policies that would decide so.
    pub policies: Vec<String>,
    /// A request that shows it, in words.
    pub shown: String,
    /// The same request, in full.
    pub counterexample: Value,
}

/// Whether the bundle allows anything that the active one does not, by proof.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Compared {
    Proved {
        /// Requests that it allows and the active one does not: none, or an example of each kind.
        widens: Vec<Value>,
        /// The other way round.
        narrows: Vec<Value>,
        /// What is true besides, in words.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(default)]
        notes: Vec<String>,
    },
    /// Nobody knows; it counts as widening.
    NotProved { why: String },
    /// There was nothing to compare.
    Skipped,
}

impl Compared {
    /// Whether it allows more, or might.
    pub fn widens(&self) -> bool {
        match self {
            Compared::Proved { widens, .. } => !widens.is_empty(),
            Compared::NotProved { .. } | Compared::Skipped => true,
        }
    }
}

impl Report {
    /// Of a check that ended with these faults of this step.
    pub(in crate::policy) fn ended_at(step: Step, faults: &[Fault]) -> Report {
        let section = |at: Step| match at.cmp(&step) {
            std::cmp::Ordering::Less => Section::passed(),
            std::cmp::Ordering::Equal => Section::failed(faults),
            std::cmp::Ordering::Greater => Section::skipped(),
        };
        Report {
            passed: false,
            parse: section(Step::Parse),
            validation: section(Step::Validation),
            lint: section(Step::Lint),
            tests: section(Step::Tests),
            invariants: Invariants {
                status: Status::Skipped,
                violations: Vec::new(),
                searched: None,
            },
            comparison: Compared::Skipped,
        }
    }

    /// Of a sound bundle.
    pub(super) fn of_sound(
        bundle: &Bundle,
        invariants: Invariants,
        comparison: Compared,
    ) -> Report {
        Report {
            passed: invariants.violations.is_empty(),
            parse: Section::passed(),
            validation: Section::passed(),
            lint: Section::passed(),
            tests: Section::of_tests(bundle),
            invariants,
            comparison,
        }
    }

    /// Whether it allows more than the active bundle, or might, or might break an invariant.
    pub fn widens(&self) -> bool {
        let searched = self.invariants.searched.as_ref();
        self.comparison.widens() || searched.is_some_and(|it| !it.not_proved.is_empty())
    }
}

impl Invariants {
    pub(super) fn found(violations: Vec<Violated>, searched: Option<Looked>) -> Invariants {
        let status = if violations.is_empty() { Status::Passed } else { Status::Failed };
        Invariants { status, violations, searched }
    }
}

impl Looked {
    pub(super) fn of(found: &Searched) -> Looked {
        let to_the_end = found.of.saturating_sub(found.cut_off.len());
        Looked { of: found.of, to_the_end, ..Looked::default() }
    }

    /// What the solver says of those that were cut off.
    pub(super) fn take(&mut self, proofs: &[ProvenInvariant]) {
        for it in proofs {
            let invariant = it.invariant.to_owned();
            match &it.proof {
                Proof::Proven => self.proved.push(invariant),
                Proof::NotProved { why } => {
                    self.not_proved.push(Unproved { invariant, why: why.clone() });
                }
                // It is told among the violations.
                Proof::Refuted { .. } => {}
            }
        }
    }
}

impl Section {
    fn passed() -> Section {
        Section { status: Status::Passed, faults: Vec::new() }
    }

    fn of_tests(bundle: &Bundle) -> Section {
        let status = if bundle.has_tests() { Status::Passed } else { Status::Missing };
        Section { status, faults: Vec::new() }
    }

    fn failed(faults: &[Fault]) -> Section {
        Section { status: Status::Failed, faults: faults.iter().map(Found::from).collect() }
    }

    fn skipped() -> Section {
        Section { status: Status::Skipped, faults: Vec::new() }
    }
}

impl From<&Fault> for Found {
    fn from(it: &Fault) -> Found {
        let place = |at: usize| (at > 0).then_some(at);
        Found {
            file: it.file.clone(),
            line: place(it.line),
            column: place(it.column),
            policy: it.policy.clone(),
            problem: it.problem.clone(),
            fix: it.fix.clone(),
        }
    }
}
