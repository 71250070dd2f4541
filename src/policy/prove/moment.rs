//! A clock that could be: the solver takes the instant, the day of the week and every zone's time for
//! facts of their own, which they are not.

use cedar_policy::{
    Context, Entities, Entity, EvalResult, Policy, PolicyId, Request, eval_expression,
};
use cedar_policy_symcc::Env;
use jiff::civil::{Date, Time, date, time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::authz::facts::{ClockFacts, LocalTime};
use crate::authz::uid::{Kind, NAMESPACE};

const CLOCK: &str = "context.clock";
/// A Monday.
const MONDAY: Date = date(2026, 11, 2);
const NOON: Time = time(12, 0, 0, 0);
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
const WEEK_MS: i64 = 7 * DAY_MS;
/// How far a home zone can be ahead of UTC.
const AHEAD_MAX_MS: i64 = 14 * 60 * MINUTE_MS;
const BEHIND_MAX_MS: i64 = 12 * 60 * MINUTE_MS;

/// An instant, and the home zone.
type Moment = (Timestamp, TimeZone);

/// What `confirm` makes of `found` at a moment that there is, or else of what `ask` finds where the
/// clock is held to such a moment by a policy that forbids all others, or else of `found` as it is.
/// `zones` are those that policies read.
pub(super) fn settled<T>(
    found: &Env,
    zones: &[String],
    ask: &mut dyn FnMut(&Policy) -> Result<Option<Env>, String>,
    confirm: &dyn Fn(&Env) -> Option<T>,
) -> Option<T> {
    let clocks = clocks(found, zones);
    let at_once = clocks.iter().filter_map(|it| with_clock(found, it));
    if let Some(it) = at_once.into_iter().find_map(|it| confirm(&it)) {
        return Some(it);
    }
    let held = clocks.iter().find_map(|clock| {
        // What is refuted stays so, whatever becomes of the search for a better example.
        let other = ask(&only_at(clock, zones)?).ok().flatten()?;
        confirm(&with_clock(&other, clock)?)
    });
    held.or_else(|| confirm(found))
}

/// Moments like the one that the solver says.
fn clocks(found: &Env, zones: &[String]) -> Vec<ClockFacts> {
    let mut moments = vec![
        at(MONDAY, NOON, &TimeZone::UTC),
        told(found, &format!("{CLOCK}.local"), &TimeZone::UTC),
        at_its_instant(found),
    ];
    for zone in zones {
        let shown = format!("{CLOCK}.world.getTag({zone:?})");
        let moment = TimeZone::get(zone).ok().and_then(|it| told(found, &shown, &it));
        moments.push(moment.map(|(now, _)| (now, TimeZone::UTC)));
    }
    let moments = moments.into_iter().flatten();
    moments.filter_map(|(now, home)| ClockFacts::at(now, &home, zones).ok()).collect()
}

/// A policy that forbids whatever is not asked at this moment.
fn only_at(clock: &ClockFacts, zones: &[String]) -> Option<Policy> {
    let shows = |place: &str, it: LocalTime| {
        let (day, ms) = (it.weekday.as_str(), it.time_ms);
        format!(
            "{place}.weekday == {NAMESPACE}::Weekday::\"{day}\" && {place}.time == duration(\"{ms}ms\")"
        )
    };
    let now = clock.now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    let mut conditions = vec![
        format!("{CLOCK}.now == datetime(\"{now}\")"),
        shows(&format!("{CLOCK}.local"), clock.home()),
    ];
    for zone in zones {
        let world = format!("{CLOCK}.world");
        conditions.push(format!("{world}.hasTag({zone:?})"));
        conditions.push(shows(&format!("{world}.getTag({zone:?})"), clock.in_zone(zone)?));
    }
    let text =
        format!("forbid (principal, action, resource) unless {{ {} }};", conditions.join(" && "));
    Policy::parse(Some(PolicyId::new("only at this moment")), text).ok()
}

fn at(day: Date, time: Time, zone: &TimeZone) -> Option<Moment> {
    let there = day.to_datetime(time).to_zoned(zone.clone()).ok()?;
    Some((there.timestamp(), zone.clone()))
}

/// A moment at which it is the hour of the week at `place`, in `zone`.
fn told(found: &Env, place: &str, zone: &TimeZone) -> Option<Moment> {
    let (days, ms) = hour(found, place)?;
    let day = MONDAY.checked_add(SignedDuration::from_hours(24 * days)).ok()?;
    let time = Time::midnight().checked_add(SignedDuration::from_millis(ms)).ok()?;
    at(day, time, zone)
}

/// The instant that the solver says, where there are such years, in a zone in which it is the hour
/// that it says, where there could be one.
fn at_its_instant(found: &Env) -> Option<Moment> {
    let since = format!("{CLOCK}.now.durationSince(datetime(\"1970-01-01\")).toMilliseconds()");
    let ms = long(found, &since)?;
    let now = Timestamp::from_millisecond(ms).ok().filter(|it| it.as_second() > 0)?;
    // The first of January 1970 was a Thursday.
    let week = (ms + 3 * DAY_MS).rem_euclid(WEEK_MS);
    let ahead = hour(found, &format!("{CLOCK}.local"))
        .map(|(days, ms)| (days * DAY_MS + ms - week).rem_euclid(WEEK_MS))
        .map(|it| if it > WEEK_MS / 2 { it - WEEK_MS } else { it })
        .filter(|it| (-BEHIND_MAX_MS..=AHEAD_MAX_MS).contains(it));
    let seconds = ahead.and_then(|it| i32::try_from(it / 1000).ok());
    let zone = seconds.and_then(|it| Offset::from_seconds(it).ok()).map(TimeZone::fixed);
    Some((now, zone.unwrap_or(TimeZone::UTC)))
}

/// The day of the week at `place`, from 0, and the milliseconds of that day.
fn hour(found: &Env, place: &str) -> Option<(i64, i64)> {
    let day = match evaluated(found, &format!("{place}.weekday"))? {
        EvalResult::EntityUid(it) => DAYS.iter().position(|day| it.id().unescaped() == *day)?,
        _ => return None,
    };
    let ms = long(found, &format!("{place}.time.toMilliseconds()"))?;
    Some((i64::try_from(day).ok()?, ms.clamp(0, DAY_MS - 1)))
}

fn long(found: &Env, text: &str) -> Option<i64> {
    match evaluated(found, text)? {
        EvalResult::Long(it) => Some(it),
        _ => None,
    }
}

fn evaluated(found: &Env, text: &str) -> Option<EvalResult> {
    eval_expression(&found.request, &found.entities, &text.parse().ok()?).ok()
}

/// The same with another clock; none where there is no clock in it.
fn with_clock(found: &Env, clock: &ClockFacts) -> Option<Env> {
    evaluated(found, CLOCK)?;
    let Env { request, entities } = found;
    let facts = request.context()?.clone().into_iter();
    let facts = facts.map(|(name, it)| match name.as_str() {
        "clock" => (name, clock.expression()),
        _ => (name, it),
    });
    let context = Context::from_pairs(facts).ok()?;
    let (principal, action) = (request.principal()?.clone(), request.action()?.clone());
    let request =
        Request::new(principal, action, request.resource()?.clone(), context, None).ok()?;
    let is_clock = |it: &&Entity| Kind::of(it.uid().type_name()) == Some(Kind::WorldClock);
    let others = entities.iter().filter(|it| !is_clock(it)).cloned();
    let entities = Entities::from_entities(others.chain([clock.world_clock()]), None).ok()?;
    Some(Env { request, entities })
}
