//! Counts of the past as they would be: when their windows have passed, with another amount, or
//! once something else has happened.
//!
//! A decision knows its counts and not when each call was: nothing is taken to have left a window
//! before all of it has passed, and what is needed is not taken to be still there by then.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::number::{self, decimals};
use crate::authz::case::Case;
use crate::authz::facts::{Amount, History, Particulars, Tally};
use crate::authz::uid::{Kind, uid};
use crate::policy::{Bundle, Count, Counted, Ending, Fact, Reads};

/// Names of facts, by the argument (a JSON pointer) that they add up.
pub type Sums = BTreeMap<String, BTreeSet<String>>;

/// Below `context`.
pub fn path(name: &str) -> String {
    format!("history.{name}")
}

/// The facts that add up arguments of this very call.
pub fn sums(case: &Case, bundle: &Bundle) -> Sums {
    let mut sums = Sums::new();
    for (fact, _) in told(case, bundle).filter(|(fact, _)| is_counted(case, fact)) {
        if let Count::Sum(at) = &fact.count {
            sums.entry(at.clone()).or_default().insert(fact.name.clone());
        }
    }
    sums
}

/// The facts that would grow if something else succeeded first: not this call, which waits for it.
pub fn growing(case: &Case, bundle: &Bundle) -> Vec<String> {
    let own = tool_of(case);
    let is_other = |fact: &Fact| fact.tool.is_none() || fact.tool != own;
    let grows = told(case, bundle).filter(|(it, _)| it.ending == Ending::Success && is_other(it));
    grows.map(|(it, _)| it.name.clone()).collect()
}

/// The counts of `name`, least first, that policies tell apart from nothing, or from the present one
/// if it stays.
pub fn more(
    reads: &[&Reads],
    case: &Case,
    bundle: &Bundle,
    (name, stays): (&str, Stays),
) -> Vec<Tally> {
    let Some((_, tally)) = told(case, bundle).find(|(it, _)| it.name == name) else {
        return Vec::new();
    };
    let looking = reads.iter().filter(|it| it.reads(&path(name)));
    let from = |now: Tally| if stays == Stays::Yes { units(now) } else { 0 };
    let literals: Vec<i128> = match tally {
        Tally::Count(_) => {
            let numbers = looking.flat_map(|it| it.numbers.iter().copied());
            numbers.flat_map(|it| [it.into(), i128::from(it) + 1]).collect()
        }
        Tally::Sum(_) => looking.flat_map(|it| decimals(it)).flat_map(|it| [it, it + 1]).collect(),
    };
    let more: BTreeSet<i128> = literals.into_iter().filter(|it| *it > from(tally)).collect();
    more.into_iter().filter_map(|it| like(tally, it)).collect()
}

/// Whether what was counted is still within its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    Yes,
    No,
}

/// When the windows have passed of what these policies read: the clock is read in whole seconds, and
/// a window may be open to the end of its last.
pub fn windows(reads: &[&Reads], case: &Case, bundle: &Bundle) -> Vec<Timestamp> {
    let now = case.facts.clock.now();
    let turns = |(fact, tally): (&Fact, Tally)| {
        let within = fact.within.filter(|_| tally != own(case, fact))?;
        let is_read = reads.iter().any(|it| it.reads(&path(&fact.name)));
        let over = SignedDuration::from_micros(within) + SignedDuration::from_secs(1);
        now.checked_add(over).ok().filter(|_| is_read)
    };
    told(case, bundle).filter_map(turns).collect()
}

/// What will be counted then if nothing else happens.
pub fn at(then: Timestamp, case: &Case, bundle: &Bundle) -> History {
    let passed = then.duration_since(case.facts.clock.now());
    let later = |(fact, tally): (&Fact, Tally)| {
        let is_over = fact.within.is_some_and(|it| SignedDuration::from_micros(it) < passed);
        (fact.name.clone(), if is_over { own(case, fact) } else { tally })
    };
    told(case, bundle).map(later).collect()
}

/// The same facts where all that ended before has left its window already; none where that makes
/// no difference. What happens anew, by its name in `anew`, is there.
pub fn faded(
    supposed: &History,
    anew: &BTreeSet<&str>,
    case: &Case,
    bundle: &Bundle,
) -> Option<History> {
    let may_fade = |(fact, _): &(&Fact, Tally)| {
        fact.ending != Ending::Any && fact.within.is_some() && !anew.contains(fact.name.as_str())
    };
    let fading = told(case, bundle).filter(may_fade);
    let nothing: History = fading.map(|(it, _)| (it.name.clone(), it.nothing())).collect();
    let faded = supposed.clone().with(&nothing);
    (faded != *supposed).then_some(faded)
}

/// The counts when this call sends so many ten-thousandths at `pointer`. None where nobody knows
/// them: whether another value was seen before.
pub fn sending(
    history: &History,
    (pointer, amount): (&str, i128),
    case: &Case,
    bundle: &Bundle,
) -> Option<History> {
    let mut moved = Vec::new();
    for (fact, _) in told(case, bundle).filter(|(fact, _)| is_counted(case, fact)) {
        match &fact.count {
            Count::Distinct(at) if at == pointer => return None,
            Count::Sum(at) if at == pointer => {
                let tally = history.get(&fact.name)?;
                let sum = units(tally) - units(own(case, fact)) + amount;
                moved.push((fact.name.clone(), like(tally, sum)?));
            }
            _ => {}
        }
    }
    Some(history.clone().with(&moved.into_iter().collect()))
}

/// What could be sent at `pointer`, in ten-thousandths, for the sums that these policies read to
/// come to the bounds that they name.
pub fn rests<'a>(
    reads: &'a [&'a Reads],
    pointer: &str,
    case: &'a Case,
    bundle: &'a Bundle,
) -> Vec<i128> {
    let adds = |it: &&Fact| matches!(&it.count, Count::Sum(at) if at == pointer);
    let counted = told(case, bundle).filter(|(it, _)| adds(it) && is_counted(case, it));
    let rests = counted.flat_map(|(fact, sum)| {
        let others = units(sum) - units(own(case, fact));
        let looking = reads.iter().filter(move |it| it.reads(&path(&fact.name)));
        looking.flat_map(|it| decimals(it)).map(move |it| it - others)
    });
    // To send nothing is not to send less.
    rests.filter(|it| *it > 0).collect()
}

/// The facts of `bundle` that were told, and what they were.
fn told<'a>(case: &'a Case, bundle: &'a Bundle) -> impl Iterator<Item = (&'a Fact, Tally)> {
    let history = case.facts.history.as_ref();
    let facts = bundle.past().facts().iter();
    facts.filter_map(move |it| Some((it, history?.get(&it.name)?)))
}

/// Whether the request itself is among what is counted.
fn is_counted(case: &Case, fact: &Fact) -> bool {
    let is_such = match case.facts.particulars {
        Particulars::Call { .. } => fact.action == Counted::Invoke,
        Particulars::Credential { .. } => fact.action == Counted::RequestCredential,
        _ => false,
    };
    is_such
        && fact.ending == Ending::Any
        && (fact.tool.is_none() || fact.tool == tool_of(case))
        && fact.set.as_ref().is_none_or(|it| case.is_in(&uid(Kind::ToolSet, it)))
}

/// The request's own share.
fn own(case: &Case, fact: &Fact) -> Tally {
    if !is_counted(case, fact) {
        return fact.nothing();
    }
    match (&fact.count, &case.facts.particulars) {
        (Count::Sum(at), Particulars::Call { call, .. }) => {
            let amount = call.arguments.pointer(at).map(Amount::of);
            Tally::Sum(amount.and_then(Result::ok).unwrap_or(Amount::ZERO))
        }
        (Count::Sum(_), _) => fact.nothing(),
        (Count::Calls | Count::Distinct(_), _) => Tally::Count(1),
    }
}

/// As declarations name tools.
fn tool_of(case: &Case) -> Option<String> {
    match &case.facts.particulars {
        Particulars::Call { call, .. } => call.tool_name.as_ref().map(|it| it.to_lowercase()),
        _ => None,
    }
}

/// Calls and values by themselves, sums in ten-thousandths.
fn units(tally: Tally) -> i128 {
    match tally {
        Tally::Count(it) => it.into(),
        Tally::Sum(it) => it.units().into(),
    }
}

fn like(tally: Tally, units: i128) -> Option<Tally> {
    Some(match tally {
        Tally::Count(_) => Tally::Count(u64::try_from(units).ok()?),
        Tally::Sum(_) => Tally::Sum(Amount::of_units(i64::try_from(units).ok()?)),
    })
}

/// A count as JSON: what it must be at least.
pub fn shown(tally: Tally) -> serde_json::Value {
    match tally {
        Tally::Count(it) => it.into(),
        Tally::Sum(it) => {
            number::written(it.units().into()).unwrap_or_else(|| it.to_string().into())
        }
    }
}
