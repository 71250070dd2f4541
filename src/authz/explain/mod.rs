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

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::case::Case;
use super::facts::NetFacts;
use crate::error::Fix;
use crate::policy::{Bundle, Fix as Kind, Meta, Reads};

pub use self::conditions::{Condition, Seen};
pub use self::explanation::{Explanation, Judged, Sight, explain};
pub use self::hanging::{Fact, Hanging, Hangs, hanging};
pub use self::told::enrolling;

/// Explaining takes expressions apart, as checking does, and needs a stack like it.
pub const STACK_BYTES: usize = 64 * 1024 * 1024;

/// What could be, beside what was: the same for every decision in one place.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The zone in which the organization's hours count.
    pub home: TimeZone,
    /// Where a request could come from instead.
    pub networks: Arc<[Network]>,
    /// What the request costs by itself: millionths of a US dollar.
    pub cost_micros: u64,
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
    /// On the way of an answer: what takes long is looked for by one caller at a time.
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
        Reach { home, networks: Arc::new([]), cost_micros: 0 }
    }
}

impl Pace {
    fn budget(self) -> usize {
        match self {
            Pace::Denial => 150,
            Pace::Explanation => 300,
        }
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
