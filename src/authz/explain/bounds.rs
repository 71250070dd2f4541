//! Numbers with a bound: the lifetime that is asked for, and the arguments of a call.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::authz::facts::flatten;
use crate::policy::Reads;

/// A credential that lives longer than a day was never meant.
pub const TTL_SECONDS_MAX: u64 = 86_400;

/// The numbers among arguments, by JSON pointer.
pub fn numbers(arguments: &Value) -> BTreeMap<String, i64> {
    flatten(arguments).number
}

/// `arguments` with `number` at `pointer`.
pub fn set(arguments: &mut Value, pointer: &str, number: i64) {
    if let Some(place) = arguments.pointer_mut(pointer) {
        *place = number.into();
    }
}

/// The values of the argument at `pointer` that the literals of these policies set apart from the
/// one it has, nearest first. None has another sign: whoever pays does not mean to be paid.
pub fn values<'a>(reads: impl Iterator<Item = &'a Reads>, pointer: &str, now: i64) -> Vec<i64> {
    let looking = reads.filter(|it| it.reads_argument(pointer));
    let literals: BTreeSet<i64> = looking.flat_map(|it| it.numbers.iter().copied()).collect();
    let around = |it: i64| [it.saturating_sub(1), it, it.saturating_add(1)];
    let candidates = literals.into_iter().flat_map(around);
    let mut values: Vec<i64> = candidates
        .filter(|it| *it != now && (it.signum() == now.signum() || *it == 0 || now == 0))
        .collect::<BTreeSet<i64>>()
        .into_iter()
        .collect();
    values.sort_by_key(|it| it.abs_diff(now));
    values
}

/// The last value on the way from `good`, which holds, to `bad`, which does not; the bound is taken to
/// be crossed once.
///
/// # Errors
/// Those of `holds`.
pub fn boundary<E>(
    mut good: i64,
    mut bad: i64,
    mut holds: impl FnMut(i64) -> Result<bool, E>,
) -> Result<i64, E> {
    // Literals are exact most of the time.
    let next = if bad > good { good.saturating_add(1) } else { good.saturating_sub(1) };
    if next == bad || !holds(next)? {
        return Ok(good);
    }
    good = next;
    while good.abs_diff(bad) > 1 {
        let middle = good.midpoint(bad);
        if holds(middle)? { good = middle } else { bad = middle }
    }
    Ok(good)
}

/// The lifetimes, in seconds, that the literals of these policies set apart, longest first; `others`
/// are what facts and the resource say.
pub fn lifetimes<'a>(
    reads: impl Iterator<Item = &'a Reads>,
    others: impl IntoIterator<Item = u64>,
) -> Vec<u64> {
    let looking = reads.filter(|it| it.reads("ask.ttl"));
    let seconds = |ms: &i64| u64::try_from(ms.div_euclid(1_000)).ok();
    let literals = looking.flat_map(|it| it.durations.iter().filter_map(seconds));
    let near = |it: u64| [it.saturating_sub(1), it, it.saturating_add(1)];
    let all: BTreeSet<u64> = literals
        .chain(others)
        .flat_map(near)
        .chain([1, TTL_SECONDS_MAX])
        .filter(|it| (1..=TTL_SECONDS_MAX).contains(it))
        .collect();
    all.into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_boundary_is_found_from_either_side() {
        let at_most = |bound: i64| move |it: i64| Ok::<_, Infallible>(it <= bound);
        let at_least = |bound: i64| move |it: i64| Ok::<_, Infallible>(it >= bound);
        assert_eq!(boundary(0, 1_000, at_most(500)), Ok(500));
        assert_eq!(boundary(499, 501, at_most(500)), Ok(500));
        assert_eq!(boundary(1_000, 3, at_least(7)), Ok(7));
        assert_eq!(boundary(i64::MAX, i64::MIN, at_least(-2)), Ok(-2));
    }

    #[test]
    fn literals_are_tried_from_the_nearest_and_keep_their_sign() {
        let reads = Reads {
            arguments: ["/amount".to_owned()].into(),
            numbers: [-5, 0, 500, 2_000].into(),
            ..Reads::default()
        };
        let tried = |now| values([&reads].into_iter(), "/amount", now);
        assert_eq!(tried(600), [501, 500, 499, 1, 0, 1_999, 2_000, 2_001]);
        assert!(tried(-6).iter().all(|it| *it <= 0));
        assert!(values([&reads].into_iter(), "/other", 600).is_empty());
    }
}
