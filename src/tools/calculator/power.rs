//! Powers, roots and logarithms: exact where the result is.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One as _, Signed as _, ToPrimitive as _, Zero as _, pow};

use super::fault::Fault;
use super::limits::affordable;
use super::number::Number;

/// The highest root that is looked for exactly.
const ROOT_MAX: u32 = 64;

pub(super) fn power(base: &Number, exponent: &Number) -> Result<Number, Fault> {
    if base.is_zero() && exponent.is_negative() {
        return Err(Fault::undefined("division by zero"));
    }
    if let (Number::Exact(base), Some(exponent)) = (base, exponent.integer()) {
        return whole_power(base, exponent);
    }
    if base.is_negative() && exponent.integer().is_none() {
        return Err(Fault::undefined("a broken power of a negative number is no real number"));
    }
    if let (Number::Exact(base), Number::Exact(exponent)) = (base, exponent)
        && let Some(degree) = exponent.denom().to_u32().filter(|it| *it <= ROOT_MAX)
        && let Some(root) = exact_root(base, degree)
    {
        return whole_power(&root, exponent.numer());
    }
    Number::approximate(base.to_f64()?.powf(exponent.to_f64()?))
}

fn whole_power(base: &BigRational, exponent: &BigInt) -> Result<Number, Fault> {
    if exponent.is_zero() || base.is_one() {
        return Ok(Number::whole(1));
    }
    if base.is_zero() {
        return Ok(Number::whole(0));
    }
    if (-base).is_one() {
        return Ok(Number::whole(if exponent.bit(0) { -1 } else { 1 }));
    }
    let times = exponent.magnitude().to_u64().ok_or(Fault::TooLarge)?;
    affordable(base.numer(), times)?;
    affordable(base.denom(), times)?;
    // Now it is small: neither part can be one, so `times` is bounded by the digits.
    let times = usize::try_from(times).map_err(|_| Fault::TooLarge)?;
    let (top, bottom) = (pow(base.numer().clone(), times), pow(base.denom().clone(), times));
    // Powers of lowest terms are in lowest terms.
    let result = match (exponent.is_negative(), top.is_negative()) {
        (false, _) => BigRational::new_raw(top, bottom),
        (true, false) => BigRational::new_raw(bottom, top),
        (true, true) => BigRational::new_raw(-bottom, -top),
    };
    Number::exact(result)
}

/// The root of this degree, negative ones of negative numbers where the degree is odd.
pub(super) fn root(of: &Number, degree: u32) -> Result<Number, Fault> {
    if degree == 0 {
        return Err(Fault::undefined("there is no root of degree 0"));
    }
    if of.is_negative() && degree.is_multiple_of(2) {
        return Err(Fault::undefined("an even root of a negative number is no real number"));
    }
    if let Number::Exact(it) = of
        && degree <= ROOT_MAX
        && let Some(exact) = exact_root(it, degree)
    {
        return Number::exact(exact);
    }
    let it = of.to_f64()?;
    Number::approximate(match degree {
        2 => it.sqrt(),
        3 => it.cbrt(),
        _ => it.abs().powf(1.0 / f64::from(degree)).copysign(it),
    })
}

fn exact_root(of: &BigRational, degree: u32) -> Option<BigRational> {
    if of.is_negative() && degree.is_multiple_of(2) {
        return None;
    }
    let (top, bottom) = (of.numer().nth_root(degree), of.denom().nth_root(degree));
    let back = |it: &BigInt| pow(it.clone(), degree as usize);
    (back(&top) == *of.numer() && back(&bottom) == *of.denom())
        .then(|| BigRational::new_raw(top, bottom))
}

/// The natural logarithm.
pub(super) fn ln(of: &Number) -> Result<Number, Fault> {
    if matches!(of, Number::Exact(it) if it.is_one()) {
        return Ok(Number::whole(0));
    }
    Number::approximate(natural(of)?)
}

/// The logarithm to a base: exact where it is a whole number.
pub(super) fn log(of: &Number, base: &Number) -> Result<Number, Fault> {
    let bottom = natural(base)?;
    if bottom == 0.0 {
        return Err(Fault::undefined("there is no logarithm to base 1"));
    }
    let quotient = natural(of)? / bottom;
    let guess = quotient.round();
    if let (Number::Exact(of), Number::Exact(base), Some(whole)) = (of, base, guess.to_i64())
        && whole_power(base, &whole.into()).is_ok_and(|it| it == Number::Exact(of.clone()))
    {
        return Ok(Number::whole(whole));
    }
    Number::approximate(quotient)
}

fn natural(of: &Number) -> Result<f64, Fault> {
    if of.is_negative() || of.is_zero() {
        return Err(Fault::undefined("only numbers above 0 have a logarithm"));
    }
    Ok(match of {
        Number::Approximate(it) => it.ln(),
        Number::Exact(it) => match it.to_f64().filter(|it| it.is_normal()) {
            Some(nearest) => nearest.ln(),
            None => of_large(it.numer()) - of_large(it.denom()),
        },
    })
}

/// Of an integer that no double need hold: the leading 64 bits, and how many stand behind them.
fn of_large(it: &BigInt) -> f64 {
    let behind = it.bits().saturating_sub(64);
    let leading = (it >> behind).to_f64().unwrap_or(1.0);
    leading.ln() + behind as f64 * std::f64::consts::LN_2
}
