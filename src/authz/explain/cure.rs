//! What could be otherwise about a request: the changes that are within the power of whoever asks,
//! or of somebody who says yes to it, and which facts each of them moves.

use std::collections::BTreeSet;

use crate::authz::case::Case;
use crate::authz::facts::Particulars;
use crate::authz::uid::Kind;
use crate::policy::{Fix, Reads};

/// How many of a call's arguments are tried.
const ARGUMENTS_MAX: usize = 6;

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
const MOVES: [(&str, Cure); 15] = [
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
    ("net", Cure::Network),
    ("delegation.mandate", Cure::Mandate),
];

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
            Cure::Later => matches!(hint, Fix::Time | Fix::Wait),
            Cure::Network => hint == Fix::Network,
            Cure::Mandate => hint == Fix::Mandate,
            Cure::Probe => hint == Fix::Probe,
            Cure::Review => hint == Fix::Review,
        }
    }
}

/// Which changes move something that a policy looks at.
pub fn moving(reads: &Reads, possible: &Cures) -> Cures {
    let moved = |it: &&Cure| match it {
        Cure::Argument(pointer) => reads.reads_argument(pointer),
        Cure::Probe => reads.resource.contains("probe_valid_until"),
        Cure::Review => {
            reads.resource.contains("reviewers") || reads.resource.contains("review_count")
        }
        Cure::Mandate => reads.reads("delegation.mandate") || reads.reads("delegation.remaining"),
        plain => MOVES.iter().any(|(path, cure)| cure == *plain && reads.reads(path)),
    };
    possible.iter().filter(moved).cloned().collect()
}

/// The changes that are there for the making, whatever policies say of them.
pub fn possible(case: &Case, has_networks: bool) -> Cures {
    let mut cures = Cures::from([Cure::Later]);
    let kind = Kind::of(case.principal.type_name());
    // A machine has no second factor, and nobody's password.
    if kind == Some(Kind::User) {
        cures.extend([Cure::Mfa, Cure::Reauth]);
    }
    if has_networks {
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
        Particulars::Call { call, .. } => {
            cures.extend([Cure::Scopes, Cure::Confirm, Cure::Approval]);
            let numbers = super::bounds::numbers(&call.arguments);
            cures.extend(numbers.into_keys().take(ARGUMENTS_MAX).map(Cure::Argument));
        }
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
