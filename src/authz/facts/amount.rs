//! Amounts that sums are made of: exact to the fourth digit, as Cedar's decimals are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

const UNITS: i64 = 10_000;
const DIGITS: usize = 4;

/// A number of ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i64);

/// It is no number that can be said with four digits, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number with at most four digits after the point")]
pub struct Inexact;

impl Amount {
    pub const ZERO: Amount = Amount(0);

    pub const fn of_units(units: i64) -> Amount {
        Amount(units)
    }

    /// Ten-thousandths.
    pub fn units(self) -> i64 {
        self.0
    }

    /// A JSON number, exactly.
    pub fn of(value: &Value) -> Result<Amount, Inexact> {
        match value {
            Value::Number(it) => it.to_string().parse(),
            _ => Err(Inexact),
        }
    }
}

impl FromStr for Amount {
    type Err = Inexact;

    fn from_str(text: &str) -> Result<Amount, Inexact> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let part = match part.trim_end_matches('0') {
            it if it.len() > DIGITS || part.is_empty() => return Err(Inexact),
            it => format!("{it:0<DIGITS$}"),
        };
        let plain = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
        if !plain(whole) || !plain(&part) {
            return Err(Inexact);
        }
        // With its sign from the start: the least there is has no positive counterpart.
        let number = |it: &str| it.parse::<i64>().ok()?.checked_mul(sign);
        let whole = number(whole).and_then(|it| it.checked_mul(UNITS));
        let units = whole.zip(number(&part)).and_then(|(whole, part)| whole.checked_add(part));
        units.map(Amount).ok_or(Inexact)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (units, of) = (self.0.unsigned_abs(), UNITS.unsigned_abs());
        write!(f, "{sign}{}.{:0DIGITS$}", units / of, units % of)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_four_digits_hold_is_an_amount() {
        for (value, units) in [
            (json!(1), 10_000),
            (json!(0.1), 1_000),
            (json!(12.3456), 123_456),
            (json!(-0.5), -5_000),
            (json!(922_337_203_685_477_i64), 9_223_372_036_854_770_000),
        ] {
            assert_eq!(Amount::of(&value), Ok(Amount(units)), "{value}");
        }
        for value in [
            json!(0.00001),
            json!(1e300),
            json!(1e-7),
            json!(922_337_203_685_478_i64),
            json!(u64::MAX),
            json!("1"),
            json!(null),
            json!([1]),
        ] {
            assert_eq!(Amount::of(&value), Err(Inexact), "{value}");
        }
        for text in ["", "-", ".", "1.", ".5", "+1", "1.2.3", "1e3", " 1", "--1"] {
            assert_eq!(text.parse::<Amount>(), Err(Inexact), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(units: i64) {
            let amount = Amount(units);
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
        }
    }
}
