//! Which of a call's arguments are numbers that could be others.

use std::collections::{BTreeMap, BTreeSet};

use super::number::{self, Number};
use super::past::{self, Sums};
use crate::authz::case::Case;
use crate::authz::facts::{Particulars, flatten};
use crate::policy::typed::Grain;
use crate::policy::{Bundle, Reads};

/// How many of a call's arguments are tried.
const ARGUMENTS_MAX: usize = 6;

/// The numbers among the arguments that policies look at, or cannot look at as they are, by JSON
/// pointer (RFC 6901): of many, the first.
pub fn numbers(
    case: &Case,
    bundle: &Bundle,
    slice: &[&Reads],
    sums: &Sums,
) -> BTreeMap<String, Number> {
    let Particulars::Call { call, .. } = &case.facts.particulars else { return BTreeMap::new() };
    let typed = case.typed_call(bundle).map(|it| it.numbers(&call.arguments)).unwrap_or_default();
    let plain = flatten(&call.arguments).number;
    let unfit = typed.iter().filter(|(_, it)| !it.is_exact).map(|(at, _)| at);
    let named = Named::by(slice, sums);
    let all: BTreeSet<&String> = plain.keys().chain(typed.keys()).chain(sums.keys()).collect();
    let looked_at = all.into_iter().filter(|it| named.contains(it));
    let mut found = BTreeMap::new();
    for pointer in unfit.chain(looked_at) {
        if found.len() >= ARGUMENTS_MAX {
            break;
        }
        let Some((sent, places)) = call.arguments.pointer(pointer).and_then(number::read) else {
            continue;
        };
        let of = typed.get(pointer);
        let is_decimal = of.is_some_and(|it| it.grain == Grain::Decimal)
            || (of.is_none() && sums.contains_key(pointer));
        // What is looked up among whole numbers is not found when it is another.
        let is_whole = !is_decimal || slice.iter().any(|it| it.wants_whole(pointer));
        let is_exact = of.is_none_or(|it| it.is_exact);
        let places = match (is_whole, is_exact) {
            (true, _) => 0,
            (false, false) => number::DIGITS,
            (false, true) => {
                slice.iter().flat_map(|it| finest(it, pointer, sums)).fold(places, u32::max)
            }
        };
        found.insert(pointer.clone(), Number { sent, step: number::step(places), is_exact });
    }
    found
}

/// How finely a policy names what it holds the argument, or its sum, against.
fn finest<'a>(reads: &'a Reads, pointer: &str, sums: &Sums) -> impl Iterator<Item = u32> + use<'a> {
    let mut of_sums = sums.get(pointer).into_iter().flatten();
    let is_held = reads.reads_argument(pointer) || of_sums.any(|it| reads.reads(&past::path(it)));
    reads.decimals.iter().filter(move |_| is_held).map(|it| number::places(it))
}

/// The arguments that some policy looks at.
struct Named<'a> {
    pointers: BTreeSet<&'a str>,
    all: bool,
}

impl<'a> Named<'a> {
    fn by(slice: &[&'a Reads], sums: &'a Sums) -> Named<'a> {
        let read = slice.iter().flat_map(|it| &it.arguments).chain(sums.keys());
        Named {
            pointers: read.map(String::as_str).collect(),
            all: slice.iter().any(|it| it.reads_argument("")),
        }
    }

    fn contains(&self, pointer: &str) -> bool {
        self.all || self.pointers.contains(pointer)
    }
}
