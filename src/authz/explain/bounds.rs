//! Where a bound is crossed, and the lifetimes that policies set apart.

use std::collections::BTreeSet;

use crate::policy::Reads;

/// A credential that lives longer than a day was never meant.
pub const TTL_SECONDS_MAX: u64 = 86_400;

/// The last value on the way from `good`, which holds, to `bad`, which does not; the bound is taken to
/// be crossed once.
///
/// # Errors
/// Those of `holds`.
pub fn boundary<E>(
    mut good: i128,
    mut bad: i128,
    mut holds: impl FnMut(i128) -> Result<bool, E>,
) -> Result<i128, E> {
    // Literals are exact most of the time.
    let next = if bad > good { good.saturating_add(1) } else { good.saturating_sub(1) };
    if good == bad || next == bad || !holds(next)? {
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
        let at_most = |bound: i128| move |it: i128| Ok::<_, Infallible>(it <= bound);
        let at_least = |bound: i128| move |it: i128| Ok::<_, Infallible>(it >= bound);
        assert_eq!(boundary(0, 1_000, at_most(500)), Ok(500));
        assert_eq!(boundary(499, 501, at_most(500)), Ok(500));
        assert_eq!(boundary(1_000, 3, at_least(7)), Ok(7));
        assert_eq!(boundary(i64::MAX.into(), i64::MIN.into(), at_least(-2)), Ok(-2));
        assert_eq!(boundary(7, 7, at_least(0)), Ok(7));
    }
}
