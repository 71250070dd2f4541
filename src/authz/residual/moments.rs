//! When a condition on the clock holds in the life of a credential.

use std::collections::BTreeSet;

use cedar_policy::{EvalResult, eval_expression};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::{Condition, Desk, Left, Life, Moment};
use crate::authz::facts::ClockFacts;
use crate::policy::residue::{Reading, Timed};

/// How many moments of change are looked at: beyond them only Gatewright can tell.
const MOMENTS_MAX: usize = 500;
/// Days that a clock's readings are followed for.
const DAYS_MAX: i64 = 40;

impl Desk<'_> {
    /// When a condition on the clock holds: asked of Cedar at each moment where it may change.
    pub(super) fn within(&self, timed: &Timed, at: &Moment<'_>) -> Left {
        let Some(moments) = self.moments(timed, at) else {
            return Left::Beyond("it changes too often".to_owned());
        };
        let mut holds: Vec<(i64, i64)> = Vec::new();
        let mut always = true;
        for (index, from) in moments.iter().enumerate() {
            let Some(value) = self.value_at(timed, *from) else {
                return Left::Beyond("the clock cannot be told".to_owned());
            };
            always &= value;
            if !value {
                continue;
            }
            let start = if index == 0 { i64::MIN } else { *from };
            let end = moments.get(index + 1).copied().unwrap_or(i64::MAX);
            match holds.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ => holds.push((start, end)),
            }
        }
        match (always, holds.is_empty()) {
            (true, _) => Left::Known(true),
            (_, true) => Left::Known(false),
            _ => Left::Open(Condition::Within(holds)),
        }
    }

    fn value_at(&self, timed: &Timed, millisecond: i64) -> Option<bool> {
        let now = Timestamp::from_millisecond(millisecond).ok()?;
        let mut facts = self.case.facts.clone();
        facts.clock = ClockFacts::at(now, self.home, self.bundle.zones()).ok()?.into();
        let case = self.case.with(facts);
        let (request, entities) = case.live_request_for(self.principal, self.bundle).ok()?;
        match eval_expression(&request, &entities, &timed.expression) {
            Ok(EvalResult::Bool(it)) => Some(it),
            _ => None,
        }
    }

    /// Every millisecond of the credential's life at which the condition may begin to be another,
    /// its first one included, in order.
    fn moments(&self, timed: &Timed, at: &Moment<'_>) -> Option<Vec<i64>> {
        let (from, until) = (self.life.from.as_millisecond(), self.life.until.as_millisecond());
        let (mut instants, mut times) = (Vec::new(), vec![0]);
        for (reading, milliseconds) in &timed.changes {
            // What cannot be told is not compared with either, or the condition could not be told.
            let Ok(EvalResult::Long(it)) = eval_expression(at.request, at.entities, milliseconds)
            else {
                continue;
            };
            match reading {
                Reading::Now => instants.push(it),
                Reading::TimeOfDay => times.push(it),
            }
        }
        let mut moments = BTreeSet::from([from]);
        let zones = timed.zones.iter().map(|it| TimeZone::get(it).ok());
        for zone in zones.chain([Some(self.home.clone())]) {
            instants.extend(changes_of(&zone?, &times, self.life)?);
        }
        // A bound that includes its end changes one millisecond later.
        let changes = instants.iter().flat_map(|it| [Some(*it), it.checked_add(1)]).flatten();
        moments.extend(changes.filter(|it| from < *it && *it <= until));
        (moments.len() <= MOMENTS_MAX).then(|| moments.into_iter().collect())
    }
}

/// When clocks of `zone` show one of `times` (milliseconds since midnight) or are put forward or
/// back, around `life`.
fn changes_of(zone: &TimeZone, times: &[i64], life: Life) -> Option<Vec<i64>> {
    let day = SignedDuration::from_hours(24);
    if life.until.duration_since(life.from) > day * i32::try_from(DAYS_MAX).ok()? {
        return None;
    }
    let mut changes: Vec<i64> = Vec::new();
    let before = life.from.checked_sub(day).ok()?;
    let after = life.until.checked_add(day).ok()?;
    let puts = zone.following(before).take_while(|it| it.timestamp() <= after);
    changes.extend(puts.map(|it| it.timestamp().as_millisecond()));
    let mut date = before.to_zoned(zone.clone()).date();
    let last = after.to_zoned(zone.clone()).date();
    while date <= last {
        for time in times {
            let local = date.to_datetime(jiff::civil::Time::midnight());
            let Ok(local) = local.checked_add(time.milliseconds()) else { continue };
            let offsets = match zone.to_ambiguous_timestamp(local).offset() {
                AmbiguousOffset::Unambiguous { offset } => [offset, offset],
                AmbiguousOffset::Gap { before, after }
                | AmbiguousOffset::Fold { before, after } => [before, after],
            };
            for offset in offsets {
                changes.push(offset.to_timestamp(local).ok()?.as_millisecond());
            }
        }
        date = date.tomorrow().ok()?;
    }
    Some(changes)
}
