//! A result, written down.

use num_bigint::BigInt;
use num_integer::Integer as _;
use num_rational::BigRational;
use num_traits::{One as _, Signed as _, ToPrimitive as _, Zero as _, pow};
use schemars::JsonSchema;
use serde::Serialize;

use super::number::Number;

/// Digits of a fraction that no decimal holds.
const DIGITS_SHOWN: u64 = 30;

/// What an expression is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Answer {
    /// An integer, a decimal, or a fraction such as `1/3`.
    pub result: String,
    /// The fraction as a decimal, cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<String>,
    /// Whether the result is exactly this, and not rounded to some 15 digits.
    pub exact: bool,
}

impl From<&Number> for Answer {
    fn from(it: &Number) -> Answer {
        match it {
            Number::Exact(it) => exact(it),
            Number::Approximate(it) => Answer { result: double(*it), decimal: None, exact: false },
        }
    }
}

fn exact(it: &BigRational) -> Answer {
    let answer = |result, decimal| Answer { result, decimal, exact: true };
    if it.is_integer() {
        return answer(it.numer().to_string(), None);
    }
    match decimals(it.denom()) {
        Some(places) => answer(cut_off(it, places), None),
        None => {
            // Zeros behind the point tell nothing; show as many digits after them.
            let zeros = it.denom().bits().saturating_sub(it.numer().bits()) * 302 / 1000;
            answer(it.to_string(), Some(cut_off(it, DIGITS_SHOWN + zeros)))
        }
    }
}

/// How many places a fraction with this denominator has, if they come to an end.
fn decimals(denominator: &BigInt) -> Option<u64> {
    let twos = denominator.trailing_zeros().unwrap_or_default();
    let mut rest = denominator >> twos;
    let mut fives = 0;
    while !rest.is_one() {
        let (fifth, left) = rest.div_rem(&BigInt::from(5));
        if !left.is_zero() {
            return None;
        }
        (rest, fives) = (fifth, fives + 1);
    }
    Some(twos.max(fives))
}

/// The number to so many places, the rest cut off.
fn cut_off(it: &BigRational, places: u64) -> String {
    let places = places.to_usize().unwrap_or_default();
    let scaled = it.numer().abs() * pow(BigInt::from(10), places) / it.denom();
    let digits = format!("{scaled:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let sign = if it.is_negative() { "-" } else { "" };
    format!("{sign}{whole}.{fraction}")
}

/// The shortest text that stands for this double alone.
fn double(it: f64) -> String {
    let plain = it == 0.0 || (1e-5..1e16).contains(&it.abs());
    if plain { it.to_string() } else { format!("{it:e}") }
}
