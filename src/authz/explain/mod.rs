//! What would turn a denial into an allow: the smallest change that Cedar confirms, and the words
//! for it.
//!
//! What a policy hints at is tried first and is never authority: what Cedar does not confirm is not
//! said. Nothing is said, either, that neither whoever asks nor whoever might say yes could do.

mod asking;
mod bounds;
mod choices;
mod conditions;
mod cure;
mod explanation;
mod hanging;
mod later;
mod number;
mod numbers;
mod past;
mod place;
mod search;
mod shown;
mod suppose;
mod text;
mod told;
mod yes;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::case::Case;
use super::facts::NetFacts;
use crate::clock::Clock;
use crate::error::Fix;
use crate::policy::{Bundle, Fix as Kind, Meta, Reads};

pub use self::conditions::{Condition, Seen};
pub use self::explanation::{Explanation, Judged, Sight, explain};
pub use self::hanging::{Fact, Hanging, Hangs, hanging};
pub use self::told::enrolling;
pub use self::yes::yes;

/// Explaining takes expressions apart, as checking does, and needs a stack like it.
pub const STACK_BYTES: usize = 64 * 1024 * 1024;

/// What is not optimized takes that many times as long, and is given it: what is found must not
/// hang on how it was built.
pub const SLOWER: u32 = if cfg!(debug_assertions) { 20 } else { 1 };

/// Evaluations of a denial, times the arguments that each of them is shown.
const SHOWN_MAX: usize = 40_000;
/// Even of the largest calls it is asked so often: what their policies hint at is found by then.
const EVALUATIONS_MIN: usize = 24;
/// A call of more arguments than these is no typing error in one of them.
const LEAVES_MAX: usize = 64;

/// What could be, beside what was: the same for every decision in one place.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The zone in which the organization's hours count.
    pub home: TimeZone,
    /// Where a request could come from instead.
    pub networks: Arc<[Network]>,
    /// What the request costs by itself: millionths of a US dollar.
    pub cost_micros: u64,
    /// How long a search takes is measured by it.
    pub clock: Clock,
}

/// A network by name.
#[derive(Clone, Debug)]
pub struct Network {
    pub name: String,
    /// What is true of a request that comes from it.
    pub facts: NetFacts,
}

/// How much a search may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// On the way of an answer: the larger the call, the less is looked for.
    Denial,
    /// Somebody asked for it.
    Explanation,
}

/// What was found to help.
#[derive(Clone, Debug)]
pub struct Cured {
    /// All of these together; empty when nothing was found.
    pub fixes: Vec<Fix>,
    /// Whether everything was tried, so that nothing smaller helps.
    pub complete: bool,
    /// The request as it would be allowed.
    pub case: Option<Case>,
    /// How many evaluations it took.
    pub asked: usize,
}

impl Reach {
    /// Where nothing is known but the zone.
    pub fn at_home(home: TimeZone) -> Reach {
        Reach { home, networks: Arc::new([]), cost_micros: 0, clock: Clock::system() }
    }
}

impl Pace {
    /// How many evaluations it takes at most, for a call of so many arguments.
    fn budget(self, leaves: usize) -> usize {
        match self {
            Pace::Denial => (SHOWN_MAX / leaves.max(1)).clamp(EVALUATIONS_MIN, 150),
            Pace::Explanation => 300,
        }
    }

    /// How long it takes at most, but for the evaluation that is under way then.
    fn time(self) -> Duration {
        let time = match self {
            Pace::Denial => Duration::from_millis(250),
            Pace::Explanation => Duration::from_secs(10),
        };
        time * SLOWER
    }

    /// Whether other arguments are tried for a call of so many.
    fn tries_arguments(self, leaves: usize) -> bool {
        self == Pace::Explanation || leaves <= LEAVES_MAX
    }

    /// How many combinations are looked at.
    fn looks(self) -> usize {
        match self {
            Pace::Denial => 3_000,
            Pace::Explanation => 100_000,
        }
    }
}

/// The smallest change after which `bundle` allows `case`.
pub fn cure(case: &Case, bundle: &Bundle, reach: &Reach, pace: Pace) -> Cured {
    let found = search::search(case, bundle, reach, pace);
    let fixes =
        found.remedy.as_ref().map_or_else(Vec::new, |it| told::fixes(it, case, bundle, reach));
    Cured {
        fixes,
        complete: found.complete,
        case: found.remedy.map(|it| it.case),
        asked: found.asked,
    }
}

/// The kinds of what would help, for a decision table; empty when nothing does, or it is allowed.
pub fn kinds(case: &Case, bundle: &Bundle, reach: &Reach) -> Vec<Kind> {
    let cured = cure(case, bundle, reach, Pace::Explanation);
    cured.fixes.iter().filter_map(|it| it.kind.parse().ok()).collect()
}

/// What the policy that decided under this id says about itself: a grant is its template.
pub fn meta<'a>(bundle: &'a Bundle, case: &Case, id: &str) -> Option<&'a Meta> {
    bundle.meta(template(case, id))
}

/// What the policy that decides under this id looks at.
fn reads<'a>(bundle: &'a Bundle, case: &Case, id: &str) -> Option<&'a Reads> {
    bundle.reads(template(case, id))
}

/// The policy of this id, or the template of the grant that goes by it.
fn template<'a>(case: &'a Case, id: &'a str) -> &'a str {
    case.links.iter().find(|it| it.id == id).map_or(id, |it| it.template.as_str())
}
