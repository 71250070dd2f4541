//! From when on: a moment, or how long ago.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// The beginning of a window that ends now: `30d`, `12h`, `15m`, `90s`, or RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    Ago(SignedDuration),
    At(Timestamp),
}

/// The text is neither a duration nor a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be like `30d`, `12h`, `15m` or an RFC 3339 timestamp such as 2026-11-21T22:15:00Z")]
pub struct NoSince;

/// What a window is that nobody says anything about: 30 days.
impl Default for Since {
    fn default() -> Since {
        Since::Ago(SignedDuration::from_hours(30 * 24))
    }
}

impl Since {
    /// Microseconds since the epoch, seen from `now`.
    pub fn micros(self, now: Timestamp) -> i64 {
        match self {
            Since::At(at) => at.as_microsecond(),
            Since::Ago(ago) => {
                now.checked_sub(ago).unwrap_or(Timestamp::UNIX_EPOCH).as_microsecond()
            }
        }
    }
}

impl FromStr for Since {
    type Err = NoSince;

    fn from_str(text: &str) -> Result<Since, NoSince> {
        if let Ok(at) = text.parse() {
            return Ok(Since::At(at));
        }
        let units = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
        let mut said = units.iter().filter_map(|(unit, it)| Some((text.strip_suffix(*unit)?, it)));
        let (count, seconds) = said.next().ok_or(NoSince)?;
        let count: u32 = count.parse().map_err(|_| NoSince)?;
        Ok(Since::Ago(SignedDuration::from_secs(i64::from(count) * seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_some_time_ago_or_at_a_moment() {
        let now: Timestamp = "2026-03-11T10:00:00Z".parse().unwrap();
        let micros = |text: &str| text.parse::<Since>().map(|it| it.micros(now));
        let at = |text: &str| Ok(text.parse::<Timestamp>().unwrap().as_microsecond());
        assert_eq!(micros("1d"), at("2026-03-10T10:00:00Z"));
        assert_eq!(micros("90s"), at("2026-03-11T09:58:30Z"));
        assert_eq!(micros("2026-01-01T00:00:00+01:00"), at("2025-12-31T23:00:00Z"));
        assert_eq!(micros("4000000000d"), at("1970-01-01T00:00:00Z"), "ever");
        assert_eq!(Since::default().micros(now), micros("30d").unwrap());
        for wrong in ["", "d", "30", "-1d", "30 d", "30w", "30dd", "yesterday", "é"] {
            assert_eq!(micros(wrong), Err(NoSince), "`{wrong}`");
        }
    }
}
