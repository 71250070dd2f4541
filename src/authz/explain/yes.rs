//! Whether a person's yes is enough, where nobody had the time to look for what else would be.

use super::asking::Asking;
use super::cure::{Cure, Possible};
use super::suppose::{Choice, suppose};
use super::{Pace, Reach, reads, told};
use crate::authz::case::Case;
use crate::authz::facts::Particulars;
use crate::error::Fix;
use crate::policy::Bundle;

/// The fix for a call that `reasons` denied, if somebody's approval alone allows it: a call that may
/// wait for a person does so however busy the searches are, and however many arguments it has.
///
/// It takes one evaluation, and none where one of those who denied looks at no approval.
pub fn yes(case: &Case, reasons: &[String], bundle: &Bundle, reach: &Reach) -> Option<Fix> {
    let looks = |id: &String| reads(bundle, case, id).is_some_and(|it| it.reads("approval"));
    if !matches!(case.facts.particulars, Particulars::Call { .. }) || !reasons.iter().all(looks) {
        return None;
    }
    let supposed = suppose(case, &[Cure::Approval].into(), &Choice::default(), bundle, reach)?;
    let asking = Asking::new(bundle, reach, Possible::default(), Pace::Denial);
    asking.allows_supposed(&supposed).ok().filter(|it| *it).map(|_| told::approval())
}
