//! What holds in every bundle that is ever activated: nobody is locked out of the rules, and nobody
//! raises themselves. Looked for by search in every build; `policy::prove` proves it where a solver
//! is.

mod claim;
mod counterexample;
mod reads;
mod rule;
mod search;
mod shape;
mod sketch;
mod tested;
mod value;
mod values;

#[cfg(test)]
mod tests;

use std::thread;

use cedar_policy::Entity;
use serde::Serialize;

use super::bounds::STACK_BYTES;
use super::bundle::Bundle;

pub use self::counterexample::{Counterexample, Elsewhere};

use self::claim::sentence;
#[cfg(feature = "prove")]
pub(super) use self::claim::{Claim, Holds, shown as kind};
#[cfg(feature = "prove")]
pub(super) use self::reads::Reads;
#[cfg(feature = "prove")]
pub(super) use self::rule::{Rule, reads_of};
#[cfg(all(test, feature = "prove"))]
pub(super) use self::tested::KEPT_BY_FORBIDS;

#[cfg(not(feature = "prove"))]
use self::claim::{Claim, Holds};
use self::search::{Effort, Line, Search};

/// An invariant that a bundle breaks.
#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    /// The invariant, as a sentence.
    pub invariant: &'static str,
    /// The policy that breaks it; none where it is broken by what is missing.
    pub policy: Option<String>,
    /// A request that shows it.
    pub counterexample: Counterexample,
}

/// What came of looking for broken invariants.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Searched {
    pub violations: Vec<Violation>,
    /// How many invariants were looked into.
    pub of: usize,
    /// Those of them whose search ended before it had tried everything that it tries: nobody knows.
    pub cut_off: Vec<&'static str>,
}

/// The invariants that `candidate` is found to break. `admins` are the users who may govern, each
/// with everything it is in: a life line holds as long as one of them keeps all of them. Where none
/// of them is an active policy admin, life lines are those of an admin who is in no other group.
///
/// Takes a second or so, on a thread of its own.
pub fn search(candidate: &Bundle, admins: &[Entity]) -> Searched {
    found(candidate, admins, Effort::Changed)
}

/// The same, with `effort`.
fn found(candidate: &Bundle, admins: &[Entity], effort: Effort) -> Searched {
    on_a_thread(|| {
        let mut search = Search::new(candidate, effort);
        let (lines, rest): (Vec<Claim>, Vec<Claim>) = Claim::all(candidate)
            .into_iter()
            .filter(|it| it.holds != Holds::Promise)
            .partition(|it| it.holds == Holds::Always);
        let mut found = broken_lines(&mut search, candidate, &lines, admins);
        found.extend(breaches(&mut search, candidate, &rest));
        found
    })
}

/// The promises that `candidate` does not keep: what most organizations rely on, and some have
/// reasons to give up. Reported, but nothing is refused for it.
pub fn broken_promises(candidate: &Bundle) -> Searched {
    on_a_thread(|| {
        let mut claims = Claim::all(candidate);
        claims.retain(|it| it.holds == Holds::Promise);
        breaches(&mut Search::new(candidate, Effort::Changed), candidate, &claims)
    })
}

impl Searched {
    fn of(claims: &[Claim]) -> Searched {
        Searched { of: claims.len(), ..Searched::default() }
    }

    fn extend(&mut self, other: Searched) {
        self.violations.extend(other.violations);
        self.cut_off.extend(other.cut_off);
        self.of += other.of;
    }

    fn cut(&mut self, claim: &Claim) {
        self.cut_off.extend(sentence(&claim.id));
    }
}

/// Every invariant and promise as a sentence, and whether it is a promise.
pub(super) fn sentences(bundle: &Bundle) -> Vec<(&'static str, bool)> {
    let all = Claim::all(bundle).into_iter();
    all.filter_map(|it| Some((sentence(&it.id)?, it.holds == Holds::Promise))).collect()
}

fn broken_lines(
    search: &mut Search<'_>,
    bundle: &Bundle,
    lines: &[Claim],
    admins: &[Entity],
) -> Searched {
    let mut first = None;
    for admin in admins {
        match lines_of(search, bundle, lines, Some(admin)) {
            None => {}
            Some(found) if found.violations.is_empty() => return found,
            Some(found) => first = first.or(Some(found)),
        }
    }
    let found = first.or_else(|| lines_of(search, bundle, lines, None));
    found.unwrap_or_else(|| {
        // Nobody was found for whom the life lines are: nothing was looked at.
        let mut none = Searched::of(lines);
        lines.iter().for_each(|it| none.cut(it));
        none
    })
}

/// The life lines that are broken for `admin`; none if it is no admin.
fn lines_of(
    search: &mut Search<'_>,
    bundle: &Bundle,
    lines: &[Claim],
    admin: Option<&Entity>,
) -> Option<Searched> {
    let mut found = Searched::of(lines);
    for claim in lines {
        search.was_cut_off();
        let mut broken = None;
        for env in claim.environments(bundle) {
            match search.line(claim, &env, admin) {
                Line::Held => {}
                Line::Unfit => return None,
                Line::Broken(it) => {
                    broken = Some(*it);
                    break;
                }
            }
        }
        if search.was_cut_off() && broken.is_none() {
            found.cut(claim);
        }
        found.violations.extend(broken);
    }
    Some(found)
}

fn breaches(search: &mut Search<'_>, bundle: &Bundle, claims: &[Claim]) -> Searched {
    let mut found = Searched::of(claims);
    for claim in claims {
        search.was_cut_off();
        let broken = claim.environments(bundle).iter().find_map(|env| search.breach(claim, env));
        if search.was_cut_off() && broken.is_none() {
            found.cut(claim);
        }
        found.violations.extend(broken);
    }
    found
}

/// Policies are walked by recursion: on a stack like the one they were checked on. A search that
/// panics must never look like one that found nothing.
fn on_a_thread<T: Send>(work: impl Fn() -> T + Sync) -> T {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("invariants".to_owned()).stack_size(STACK_BYTES);
        match thread.spawn_scoped(scope, &work).map(thread::ScopedJoinHandle::join) {
            Ok(Ok(found)) => found,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // No more threads: what was checked fits on this stack, too, but for the oddest policies.
            Err(_) => work(),
        }
    })
}
