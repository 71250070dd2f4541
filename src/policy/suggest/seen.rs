//! Under what circumstances an agent was seen: what could be held to, where it is clearly bounded.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::authz::facts::{LocalTime, Weekday};

/// Fewer uses than these bound nothing.
const USES_MIN: usize = 20;
/// Nor do uses on fewer days.
const DAYS_MIN: usize = 3;
/// More addresses than these are no list that anybody keeps.
const IPS_MAX: usize = 3;
/// A longer stretch of the day is no bound worth having, in hours.
const HOURS_MAX: u32 = 12;
const HOUR_MS: u32 = 3_600_000;

/// Circumstances of all uses together.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    uses: usize,
    /// The zones that every use came from; none before the first.
    zones: Option<BTreeSet<String>>,
    /// One more than are listed, at most.
    ips: BTreeSet<IpAddr>,
    days: BTreeSet<Date>,
    weekdays: Vec<Weekday>,
    /// First and last hour on the home clock.
    hours: Option<(u32, u32)>,
}

impl Seen {
    pub fn note(&mut self, ip: IpAddr, zones: &BTreeSet<String>, home: LocalTime, at: Timestamp) {
        self.uses += 1;
        self.zones = Some(match self.zones.take() {
            None => zones.clone(),
            Some(common) => common.intersection(zones).cloned().collect(),
        });
        if self.ips.len() <= IPS_MAX {
            self.ips.insert(ip);
        }
        self.days.insert(at.to_zoned(TimeZone::UTC).date());
        if !self.weekdays.contains(&home.weekday) {
            self.weekdays.push(home.weekday);
        }
        let hour = home.time_ms / HOUR_MS;
        let (first, last) = self.hours.unwrap_or((hour, hour));
        self.hours = Some((first.min(hour), last.max(hour)));
    }

    /// Further conditions that held for every use, each with the observation that speaks for it;
    /// nothing where there is too little to go by.
    pub fn bounds(&self) -> Vec<(String, String)> {
        if self.uses < USES_MIN {
            return Vec::new();
        }
        [self.zone(), self.addresses(), self.hours()].into_iter().flatten().collect()
    }

    fn zone(&self) -> Option<(String, String)> {
        let zone = self.zones.as_ref()?.first()?;
        let literal = super::write::literal("NetZone", zone);
        let told = format!("all {} uses came from the network `{zone}`", self.uses);
        Some((told, format!("context.net.zones.contains({literal})")))
    }

    fn addresses(&self) -> Option<(String, String)> {
        if self.ips.len() > IPS_MAX {
            return None;
        }
        let ranges = self.ips.iter().map(|ip| format!("context.net.ip.isInRange(ip(\"{ip}\"))"));
        let told = format!("all {} uses came from {} address(es)", self.uses, self.ips.len());
        Some((told, format!("({})", ranges.collect::<Vec<_>>().join(" || "))))
    }

    fn hours(&self) -> Option<(String, String)> {
        let (first, last) = self.hours?;
        if self.days.len() < DAYS_MIN || last + 1 - first > HOURS_MAX {
            return None;
        }
        let told = format!(
            "all uses on {} days fell between {first}:00 and {}:00 at home",
            self.days.len(),
            last + 1
        );
        let mut condition = format!("duration(\"{first}h\") <= context.clock.local.time");
        condition += &format!(" && context.clock.local.time < duration(\"{}h\")", last + 1);
        if self.weekdays.iter().all(|it| !matches!(it, Weekday::Sat | Weekday::Sun)) {
            let days = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];
            let days = days.map(|it| super::write::literal("Weekday", it.as_str())).join(", ");
            condition += &format!(" && [{days}].contains(context.clock.local.weekday)");
        }
        Some((told, condition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(uses: usize, days: i64, last_hour: u32) -> Vec<String> {
        let mut seen = Seen::default();
        let start: Timestamp = "2026-03-09T09:00:00Z".parse().unwrap();
        for number in 0..uses {
            let day = i64::try_from(number).unwrap() % days;
            let at = start + jiff::SignedDuration::from_hours(24 * day);
            let hour = if number % 2 == 0 { 9 } else { last_hour };
            let home = LocalTime { weekday: Weekday::Mon, time_ms: hour * HOUR_MS };
            let zones = ["corp", if day == 0 { "vpn" } else { "lab" }].map(str::to_owned).into();
            seen.note([10, 0, 0, 1].into(), &zones, home, at);
        }
        seen.bounds().into_iter().map(|(_, condition)| condition).collect()
    }

    #[test]
    fn only_what_held_often_enough_is_a_bound() {
        assert_eq!(seen(19, 3, 10), Vec::<String>::new(), "too few");
        let bounds = seen(20, 3, 17);
        assert_eq!(bounds[0], "context.net.zones.contains(Gatewright::NetZone::\"corp\")");
        assert_eq!(bounds[1], "(context.net.ip.isInRange(ip(\"10.0.0.1\")))");
        assert!(bounds[2].starts_with("duration(\"9h\") <= context.clock.local.time"));
        assert_eq!(seen(20, 2, 17).len(), 2, "two days show no habit");
        assert_eq!(seen(20, 3, 21).len(), 2, "nine to ten at night is no bound");
    }
}
