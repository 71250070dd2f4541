//! The time as policies see it: the instant, the hour at home, and the hour in each zone that a
//! policy names.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use cedar_policy::{Entity, RestrictedExpression};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::express::{entity, instant, milliseconds, record};
use crate::authz::uid::{Kind, uid};

/// The id of the only `WorldClock` there is in a request.
const WORLD_CLOCK: &str = "now";

/// The time, with its Cedar form ready. Made once a second and shared by the requests of that
/// second: zones and formatting are its cost, not theirs.
#[derive(Clone, Debug)]
pub struct ClockFacts {
    told: Told,
    expression: RestrictedExpression,
    world_clock: Entity,
}

/// What a clock shows in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalTime {
    pub weekday: Weekday,
    /// What the clock on the wall says, as milliseconds since it said midnight.
    pub time_ms: u32,
}

/// A day of the week, as the schema spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// The readings themselves: kept in the audit, so that a replay needs no zone database.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    now: Timestamp,
    home: LocalTime,
    world: BTreeMap<String, LocalTime>,
}

impl ClockFacts {
    /// The time at `now`, in the organization's `home` zone and in `zones` (IANA names: those
    /// that the bundle's policies read).
    ///
    /// # Errors
    /// A zone that this machine's zone database does not know.
    pub fn at(now: Timestamp, home: &TimeZone, zones: &[String]) -> Result<ClockFacts> {
        let mut world = BTreeMap::new();
        for name in zones {
            let zone = TimeZone::get(name).with_context(|| format!("no time zone `{name}`"))?;
            world.insert(name.clone(), LocalTime::at(now, &zone));
        }
        ClockFacts::telling(Told { now, home: LocalTime::at(now, home), world })
    }

    /// The same with the clocks of all of `zones`; none when they are told already.
    ///
    /// # Errors
    /// As [`ClockFacts::at`].
    pub fn reading(&self, zones: &[String]) -> Result<Option<ClockFacts>> {
        if zones.iter().all(|it| self.told.world.contains_key(it)) {
            return Ok(None);
        }
        let mut told = self.told.clone();
        for name in zones {
            let zone = TimeZone::get(name).with_context(|| format!("no time zone `{name}`"))?;
            told.world.entry(name.clone()).or_insert_with(|| LocalTime::at(told.now, &zone));
        }
        ClockFacts::telling(told).map(Some)
    }

    /// The instant.
    pub fn now(&self) -> Timestamp {
        self.told.now
    }

    /// The hour in the home zone.
    pub fn home(&self) -> LocalTime {
        self.told.home
    }

    /// The hour in `zone`, if it is told.
    #[cfg(feature = "prove")]
    pub(crate) fn in_zone(&self, zone: &str) -> Option<LocalTime> {
        self.told.world.get(zone).copied()
    }

    fn telling(told: Told) -> Result<ClockFacts> {
        let expression = record([
            ("now", instant(told.now)),
            ("local", told.home.expression()?),
            ("world", entity(Kind::WorldClock, WORLD_CLOCK)),
        ])?;
        let tags = told
            .world
            .iter()
            .map(|(zone, time)| Ok((zone.clone(), time.expression()?)))
            .collect::<Result<Vec<_>>>()?;
        let uid = uid(Kind::WorldClock, WORLD_CLOCK);
        let world_clock = Entity::new_with_tags(uid, [], [], tags)?;
        Ok(ClockFacts { told, expression, world_clock })
    }

    /// What `context.clock` is.
    pub(crate) fn expression(&self) -> RestrictedExpression {
        self.expression.clone()
    }

    /// What `context.clock.world` leads to.
    pub(crate) fn world_clock(&self) -> Entity {
        self.world_clock.clone()
    }
}

impl Serialize for ClockFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.told.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ClockFacts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ClockFacts, D::Error> {
        let told = Told::deserialize(deserializer)?;
        ClockFacts::telling(told).map_err(serde::de::Error::custom)
    }
}

impl LocalTime {
    fn at(now: Timestamp, zone: &TimeZone) -> LocalTime {
        let local = now.to_zoned(zone.clone());
        let part = |it: i8| u32::try_from(it).unwrap_or(0);
        let seconds = (part(local.hour()) * 60 + part(local.minute())) * 60 + part(local.second());
        let millisecond = u32::try_from(local.millisecond()).unwrap_or(0);
        LocalTime { weekday: Weekday::of(local.weekday()), time_ms: seconds * 1000 + millisecond }
    }

    fn expression(self) -> Result<RestrictedExpression> {
        record([
            ("weekday", entity(Kind::Weekday, self.weekday.as_str())),
            ("time", milliseconds(u64::from(self.time_ms))),
        ])
    }
}

impl Weekday {
    fn of(day: jiff::civil::Weekday) -> Weekday {
        use jiff::civil::Weekday as Day;
        match day {
            Day::Monday => Weekday::Mon,
            Day::Tuesday => Weekday::Tue,
            Day::Wednesday => Weekday::Wed,
            Day::Thursday => Weekday::Thu,
            Day::Friday => Weekday::Fri,
            Day::Saturday => Weekday::Sat,
            Day::Sunday => Weekday::Sun,
        }
    }

    /// The id of the schema's `Weekday`.
    pub fn as_str(self) -> &'static str {
        match self {
            Weekday::Mon => "mon",
            Weekday::Tue => "tue",
            Weekday::Wed => "wed",
            Weekday::Thu => "thu",
            Weekday::Fri => "fri",
            Weekday::Sat => "sat",
            Weekday::Sun => "sun",
        }
    }
}
