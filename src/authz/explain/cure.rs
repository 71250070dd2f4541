//! What could be otherwise about a request: the changes that are within the power of whoever asks,
//! or of somebody who says yes to it, and which facts each of them moves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::number::Number;
use super::numbers::numbers;
use super::past::{self, Sums};
use super::{Pace, Reach};
use crate::authz::case::Case;
use crate::authz::facts::Particulars;
use crate::authz::uid::Kind;
use crate::policy::{Bundle, Fix, Reads};

/// One change. Who asks, how risky a request is rated and what a tool is are not among them: those
/// are nobody's to choose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cure {
    Confirm,
    Scopes,
    Ttl,
    /// Another value of the number at this JSON pointer.
    Argument(String),
    Mfa,
    Reauth,
    Approval,
    /// What the fact of this name counts has happened before.
    Before(String),
    /// The same request, later: clocks go on, and windows of counters turn.
    Later,
    Network,
    Mandate,
    Probe,
    Review,
}

/// A set of changes that were made together.
pub type Cures = BTreeSet<Cure>;

/// What of the context each plain change moves.
const MOVES: [(&str, Cure); 16] = [
    ("call.confirmed", Cure::Confirm),
    ("token.scopes", Cure::Scopes),
    ("ask.scopes", Cure::Scopes),
    ("ask.ttl", Cure::Ttl),
    ("session.mfa_age", Cure::Mfa),
    ("session.aal", Cure::Mfa),
    ("session.reauth_age", Cure::Reauth),
    ("approval", Cure::Approval),
    ("clock", Cure::Later),
    ("usage.calls_last_minute", Cure::Later),
    ("usage.calls_today", Cure::Later),
    ("usage.cost_today", Cure::Later),
    ("usage.failures_last_hour", Cure::Later),
    ("history", Cure::Later),
    ("net", Cure::Network),
    ("delegation.mandate", Cure::Mandate),
];

/// What of a bundle reviews move.
const REVIEWS: [&str; 3] = ["reviewers", "review_count", "objections"];

impl Cure {
    /// The word for it, where it does not depend on what came of it.
    pub fn hinted_by(&self, hint: Fix) -> bool {
        match self {
            Cure::Confirm => hint == Fix::Confirm,
            Cure::Scopes => hint == Fix::Scopes,
            Cure::Ttl => hint == Fix::Ttl,
            Cure::Argument(_) => hint == Fix::Argument,
            Cure::Mfa => hint == Fix::Mfa,
            Cure::Reauth => hint == Fix::Reauth,
            Cure::Approval => hint == Fix::Approval,
            Cure::Before(_) => hint == Fix::History,
            Cure::Later => matches!(hint, Fix::Time | Fix::Wait),
            Cure::Network => hint == Fix::Network,
            Cure::Mandate => hint == Fix::Mandate,
            Cure::Probe => hint == Fix::Probe,
            Cure::Review => hint == Fix::Review,
        }
    }
}

/// All that could be otherwise about one request.
#[derive(Debug, Default)]
pub struct Possible {
    /// Those that move something that any policy about such requests looks at.
    pub cures: Cures,
    /// The numbers among the arguments that could be others.
    pub numbers: BTreeMap<String, Number>,
    sums: Sums,
    /// How many arguments the call has, in all its objects and arrays.
    pub leaves: usize,
    /// False where other arguments could help, and are not tried.
    pub is_whole: bool,
}

impl Possible {
    /// What the policies about `case`, which read `slice`, leave open, as far as `pace` goes.
    pub fn of(
        case: &Case,
        bundle: &Bundle,
        reach: &Reach,
        (slice, pace): (&[&Reads], Pace),
    ) -> Possible {
        let sums = past::sums(case, bundle);
        let leaves = leaves_of(case);
        let is_whole = pace.tries_arguments(leaves);
        let numbers = match is_whole {
            true => numbers(case, bundle, slice, &sums),
            false => BTreeMap::new(),
        };
        let mut possible = Possible { cures: Cures::new(), numbers, sums, leaves, is_whole };
        let mut cures = possible_of(case, reach);
        cures.extend(past::growing(case, bundle).into_iter().map(Cure::Before));
        cures.extend(possible.numbers.keys().cloned().map(Cure::Argument));
        possible.cures = cures;
        let mut useful: Cures = slice.iter().flat_map(|it| possible.moving(it)).collect();
        // A call that policies cannot be shown is refused, whatever they look at.
        let unfit = possible.numbers.iter().filter(|(_, it)| !it.is_exact);
        useful.extend(unfit.map(|(pointer, _)| Cure::Argument(pointer.clone())));
        Possible { cures: useful, ..possible }
    }

    /// Which changes move something that a policy looks at.
    pub fn moving(&self, reads: &Reads) -> Cures {
        self.cures.iter().filter(|it| self.moves(it, reads)).cloned().collect()
    }

    fn moves(&self, cure: &Cure, reads: &Reads) -> bool {
        match cure {
            Cure::Argument(pointer) => {
                let sums = self.sums.get(pointer).into_iter().flatten();
                reads.reads_argument(pointer)
                    || sums.into_iter().any(|it| reads.reads(&past::path(it)))
            }
            Cure::Before(name) => reads.reads(&past::path(name)),
            Cure::Probe => reads.resource.contains("probe_valid_until"),
            Cure::Review => REVIEWS.iter().any(|it| reads.resource.contains(*it)),
            Cure::Mandate => {
                reads.reads("delegation.mandate") || reads.reads("delegation.remaining")
            }
            plain => MOVES.iter().any(|(path, cure)| cure == plain && reads.reads(path)),
        }
    }
}

/// How many arguments a call is made with, those in objects and arrays each by itself.
fn leaves_of(case: &Case) -> usize {
    fn leaves(value: &Value) -> usize {
        match value {
            Value::Array(items) => items.iter().map(leaves).sum(),
            Value::Object(members) => members.values().map(leaves).sum(),
            _ => 1,
        }
    }
    match &case.facts.particulars {
        Particulars::Call { call, .. } => leaves(&call.arguments),
        _ => 0,
    }
}

/// The changes that are there for the making, whatever policies say of them; those that need a value
/// from the past or the arguments are left out.
fn possible_of(case: &Case, reach: &Reach) -> Cures {
    let mut cures = Cures::from([Cure::Later]);
    let kind = Kind::of(case.principal.type_name());
    // A machine has no second factor, and nobody's password.
    if kind == Some(Kind::User) {
        cures.extend([Cure::Mfa, Cure::Reauth]);
    }
    if !reach.networks.is_empty() {
        cures.insert(Cure::Network);
    }
    let people = case.others.iter().flatten();
    let has_user = people.into_iter().any(|it| Kind::of(it.type_name()) == Some(Kind::User));
    if case.facts.delegation.is_some() && has_user {
        cures.insert(Cure::Mandate);
    }
    match &case.facts.particulars {
        Particulars::Base => {}
        Particulars::Credential { .. } => cures.extend([Cure::Scopes, Cure::Ttl]),
        Particulars::Call { .. } => cures.extend([Cure::Scopes, Cure::Confirm, Cure::Approval]),
        _ => {
            cures.insert(Cure::Scopes);
        }
    }
    let resource = case.entity(&case.resource);
    if resource.is_some_and(|it| it.attr("probe_valid_until").is_some()) {
        cures.insert(Cure::Probe);
    }
    if Kind::of(case.resource.type_name()) == Some(Kind::Bundle) {
        cures.insert(Cure::Review);
    }
    cures
}
