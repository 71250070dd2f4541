//! How often something may be tried: `5/minute`, `20/15minutes`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const SECONDS_MAX: u32 = 86_400;
const TIMES_MAX: u32 = 1_000_000;
const UNITS: [(&str, u32); 4] = [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];

/// How often something may be tried, written `TIMES/PERIOD` such as `5/minute` or `20/15minutes`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    /// Sign-ins from one address.
    pub login_ip: RateLimit,
    /// Sign-ins to one user name, from anywhere.
    pub login_username: RateLimit,
    /// Probes of servers that one user asks for.
    pub probe_user: RateLimit,
    /// Probes of servers that are asked for from one address.
    pub probe_ip: RateLimit,
}

impl Default for RateLimits {
    fn default() -> RateLimits {
        RateLimits {
            login_ip: RateLimit { times: FIVE, seconds: 60 },
            login_username: RateLimit { times: TWENTY, seconds: 900 },
            probe_user: RateLimit { times: TEN, seconds: 60 },
            probe_ip: RateLimit { times: THIRTY, seconds: 60 },
        }
    }
}

const FIVE: NonZeroU32 = NonZeroU32::new(5).unwrap();
const TEN: NonZeroU32 = NonZeroU32::new(10).unwrap();
const TWENTY: NonZeroU32 = NonZeroU32::new(20).unwrap();
const THIRTY: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// At most so many times in any window of so many seconds (1 to a day).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct RateLimit {
    times: NonZeroU32,
    seconds: u32,
}

/// A text that is no rate limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRateLimit {
    #[error("`{0}` is no limit such as `5/minute` or `20/15minutes`")]
    Form(String),
    #[error("`{0}` would shut everyone out")]
    Never(String),
    #[error("`{0}` is more than {TIMES_MAX} times, or a period over one day")]
    TooLarge(String),
}

impl RateLimit {
    /// How many times.
    pub fn times(self) -> u32 {
        self.times.get()
    }

    /// In how many seconds.
    pub fn window_seconds(self) -> u32 {
        self.seconds
    }
}

impl FromStr for RateLimit {
    type Err = NoRateLimit;

    fn from_str(text: &str) -> Result<RateLimit, NoRateLimit> {
        let form = || NoRateLimit::Form(text.to_owned());
        let (times, period) = text.split_once('/').ok_or_else(form)?;
        let times = whole_number(times.trim()).ok_or_else(form)?;
        let seconds = seconds(period.trim()).filter(|it| *it > 0).ok_or_else(form)?;
        let times = u32::try_from(times).ok().filter(|it| *it <= TIMES_MAX);
        let seconds = u32::try_from(seconds).ok().filter(|it| *it <= SECONDS_MAX);
        let (Some(times), Some(seconds)) = (times, seconds) else {
            return Err(NoRateLimit::TooLarge(text.to_owned()));
        };
        let times = NonZeroU32::new(times).ok_or_else(|| NoRateLimit::Never(text.to_owned()))?;
        Ok(RateLimit { times, seconds })
    }
}

/// The length of `minute`, `15minutes` or `15 minutes`.
fn seconds(period: &str) -> Option<u64> {
    let digits = period.chars().take_while(char::is_ascii_digit).count();
    let (count, unit) = period.split_at_checked(digits)?;
    let count = if count.is_empty() { 1 } else { whole_number(count)? };
    let unit = unit.trim_start();
    let named = |(name, _): &&(&str, u32)| unit == *name || unit.strip_suffix('s') == Some(name);
    let (_, unit_seconds) = UNITS.iter().find(named)?;
    Some(count.saturating_mul(u64::from(*unit_seconds)))
}

/// Digits only: `u64::from_str` alone would take a plus sign.
fn whole_number(text: &str) -> Option<u64> {
    text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for RateLimit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, seconds): &&(&str, u32)| self.seconds.is_multiple_of(*seconds);
        let (unit, unit_seconds) = UNITS.iter().find(whole).unwrap_or(&("second", 1));
        match self.seconds / unit_seconds {
            1 => write!(out, "{}/{unit}", self.times),
            count => write!(out, "{}/{count}{unit}s", self.times),
        }
    }
}

impl TryFrom<String> for RateLimit {
    type Error = NoRateLimit;

    fn try_from(text: String) -> Result<RateLimit, NoRateLimit> {
        text.parse()
    }
}

impl From<RateLimit> for String {
    fn from(it: RateLimit) -> String {
        it.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_times_and_a_window() {
        for (text, times, seconds, canonical) in [
            ("5/minute", 5, 60, "5/minute"),
            ("20/15minutes", 20, 900, "20/15minutes"),
            ("20/15 minutes", 20, 900, "20/15minutes"),
            (" 3 / hour", 3, 3_600, "3/hour"),
            ("100/1second", 100, 1, "100/second"),
            ("7/90seconds", 7, 90, "7/90seconds"),
            ("1/days", 1, 86_400, "1/day"),
        ] {
            let it: RateLimit = text.parse().unwrap();
            assert_eq!((it.times(), it.window_seconds()), (times, seconds), "{text}");
            assert_eq!(it.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(it));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "5", "/minute", "5/", "5/fortnight", "+5/minute", "5/0minutes", "x/hour"] {
            assert_eq!(text.parse::<RateLimit>(), Err(NoRateLimit::Form(text.into())), "{text}");
        }
        assert_eq!("0/minute".parse::<RateLimit>(), Err(NoRateLimit::Never("0/minute".into())));
        for text in ["5/2days", "1000001/day", "4294967297/minute", "5/18446744073709551615days"] {
            let refused = Err(NoRateLimit::TooLarge(text.into()));
            assert_eq!(text.parse::<RateLimit>(), refused, "{text}");
        }
    }
}
