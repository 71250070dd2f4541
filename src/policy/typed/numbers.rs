//! JSON numbers as Cedar's, exactly or not at all: rounded, a number could slip under a limit.

use serde_json::Number;

/// The digits of a decimal after its point.
const DIGITS: i64 = 4;
/// More digits than any number that fits: 2^63 has 19.
const DIGITS_MAX: usize = 24;
/// Beyond this a number that was written with a point or an exponent may have been rounded when it
/// was read (RFC 8259, section 6).
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The whole number that `number` is, if it is one of 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
pub(super) fn long(number: &Number) -> Option<i64> {
    if number.is_f64() {
        let it = number.as_f64().filter(|it| it.fract() == 0.0 && it.abs() <= EXACT_MAX)?;
        return Some(it as i64);
    }
    number.as_i64()
}

/// What `decimal(…)` is given for `number`, if four digits after the point are enough for it.
pub(super) fn decimal(number: &Number) -> Option<String> {
    let text = number.to_string();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.as_str()),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let exact = digits.trim_end_matches('0');
    let dropped = i64::try_from(digits.len() - exact.len()).ok()?;
    let places = i64::try_from(fraction.len()).ok()?;
    let exponent = exponent.parse::<i64>().ok()?;
    let shift = exponent.checked_sub(places)?.checked_add(dropped)?.checked_add(DIGITS)?;
    if exact.trim_start_matches('0').is_empty() {
        return Some("0.0".to_owned());
    }
    if exact.len() > DIGITS_MAX {
        return None;
    }
    let power = 10_i128.checked_pow(u32::try_from(shift).ok()?)?;
    let units = exact.parse::<i128>().ok()?.checked_mul(power)?.checked_mul(sign)?;
    let units = i64::try_from(units).ok()?;
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    Some(format!("{sign}{}.{:04}", units / 10_000, units % 10_000))
}
