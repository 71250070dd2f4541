//! The same request, later: when it would be worth asking again, and what is true of it then.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::{Reach, past};
use crate::authz::case::Case;
use crate::authz::facts::{Age, ClockFacts, Facts, Particulars, Usage};
use crate::policy::{Bundle, Reads};

/// How far ahead the next opening is looked for: a week, and the day that it began on.
const DAYS_AHEAD_MAX: i64 = 8;
const HOUR: i64 = 3_600;
const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// Instants at which one of these policies may answer otherwise than `now`, in order.
///
/// Policies compare the hour, the day and the instant with literals, so nothing changes in between.
/// What works something out from times is looked at every hour.
pub fn instants(
    reads: &[&Reads],
    case: &Case,
    bundle: &Bundle,
    reach: &Reach,
) -> BTreeSet<Timestamp> {
    let facts = &case.facts;
    let now = facts.clock.now();
    let mut found = BTreeSet::new();
    let clocks: Vec<&&Reads> = reads.iter().filter(|it| it.reads("clock")).collect();
    if !clocks.is_empty() {
        found.extend(clocks.iter().flat_map(|it| it.instants.iter().copied()));
        let mandate = facts.delegation.as_ref().and_then(|it| it.mandate.as_ref());
        found.extend(mandate.map(|it| it.not_before));
    }
    if clocks.iter().any(|it| it.computes_time) {
        let next = now.as_second() - now.as_second().rem_euclid(HOUR);
        found.extend((1..=DAYS_AHEAD_MAX * 24).filter_map(|it| second(next + it * HOUR)));
    }
    for it in clocks.iter().filter(|it| it.reads("clock.local")) {
        found.extend(hours(it, now, &reach.home));
    }
    for it in clocks.iter().filter(|it| it.reads("clock.world")) {
        let zones = bundle.zones().iter().filter_map(|name| TimeZone::get(name).ok());
        found.extend(zones.flat_map(|zone| hours(it, now, &zone)));
    }
    found.extend(windows(reads, now));
    found.extend(past::windows(reads, case, bundle));
    let end = now + SignedDuration::from_hours(DAYS_AHEAD_MAX * 24);
    // Clocks are read in whole seconds: a comparison that leaves the literal out holds one later.
    let also = found.iter().filter_map(|it| it.checked_add(1.second()).ok());
    let all: BTreeSet<Timestamp> = found.iter().copied().chain(also).collect();
    all.into_iter().filter(|it| (now..=end).contains(it) && *it != now).collect()
}

/// When each of the windows has turned that counters are kept for.
fn windows(reads: &[&Reads], now: Timestamp) -> impl Iterator<Item = Timestamp> {
    let reads_of = |path: &str| reads.iter().any(|it| it.reads(path));
    let of_day = reads_of("usage.calls_today") || reads_of("usage.cost_today");
    let past = now.as_second().rem_euclid(DAY);
    let turning = [
        (reads_of("usage.calls_last_minute"), MINUTE),
        (reads_of("usage.failures_last_hour"), HOUR),
        (of_day, DAY - past),
    ];
    let read = turning.into_iter().filter(|(is_read, _)| *is_read);
    read.filter_map(move |(_, seconds)| second(now.as_second() + seconds))
}

/// The moments of the coming days at which a clock in `zone` shows one of a policy's hours, or
/// midnight, when the day changes.
fn hours(reads: &Reads, now: Timestamp, zone: &TimeZone) -> Vec<Timestamp> {
    let today = now.to_zoned(zone.clone()).date();
    let of_day = |ms: &i64| {
        Some(Time::midnight())
            .filter(|_| (0..DAY * 1_000).contains(ms))
            .and_then(|midnight| midnight.checked_add(SignedDuration::from_millis(*ms)).ok())
    };
    let times: BTreeSet<Time> =
        reads.durations.iter().filter_map(of_day).chain([Time::midnight()]).collect();
    let days = (0..=DAYS_AHEAD_MAX).filter_map(|ahead| today.checked_add(ahead.days()).ok());
    let moment = |date: jiff::civil::Date, time: &Time| {
        date.to_datetime(*time).to_zoned(zone.clone()).ok().map(|it| it.timestamp())
    };
    days.flat_map(|date| times.iter().filter_map(move |time| moment(date, time))).collect()
}

fn second(at: i64) -> Option<Timestamp> {
    Timestamp::from_second(at).ok()
}

/// The facts as they will be `at`: what was proven is older then, and what was used has left its
/// window. None where this machine does not know a zone.
pub fn facts_at(at: Timestamp, facts: &Facts, bundle: &Bundle, reach: &Reach) -> Option<Facts> {
    let mut later = facts.clone();
    let ms = at.as_millisecond().checked_sub(facts.clock.now().as_millisecond())?;
    let ms = u64::try_from(ms).ok()?;
    later.clock = Arc::new(ClockFacts::at(at, &reach.home, bundle.zones()).ok()?);
    later.session.age = older(later.session.age, ms);
    later.session.mfa_age = later.session.mfa_age.map(|it| older(it, ms));
    later.session.reauth_age = later.session.reauth_age.map(|it| older(it, ms));
    if let Some(it) = &mut later.delegation {
        it.remaining_seconds = it.remaining_seconds.saturating_sub(ms.div_ceil(1_000));
    }
    if let Particulars::Credential { usage, .. } | Particulars::Call { usage, .. } =
        &mut later.particulars
    {
        *usage = usage_at(at, *usage, facts.clock.now(), reach.cost_micros);
    }
    Some(later)
}

fn older(age: Age, ms: u64) -> Age {
    Age::from_millis(age.as_millis().saturating_add(ms))
}

/// What will be counted then, if nothing else is used in between. Sliding windows are empty once
/// they have passed; a day ends at midnight UTC.
fn usage_at(at: Timestamp, usage: Usage, now: Timestamp, cost_micros: u64) -> Usage {
    let mut later = usage;
    let seconds = at.as_second() - now.as_second();
    if seconds >= MINUTE {
        later.calls_last_minute = later.calls_last_minute.min(1);
    }
    if seconds >= HOUR {
        later.failures_last_hour = 0;
    }
    if at.as_second().div_euclid(DAY) > now.as_second().div_euclid(DAY) {
        later.calls_today = later.calls_today.min(1);
        later.cost_today_micros = later.cost_today_micros.min(cost_micros);
    }
    later
}
