//! Numbers: exact as long as they can be, and marked as approximate from then on.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_integer::Integer as _;
use num_rational::BigRational;
use num_traits::{ToPrimitive as _, Zero as _};

use super::fault::Fault;
use super::limits::sized;

/// Every number here is finite.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// A fraction in its lowest terms.
    Exact(BigRational),
    /// What a function such as `sin` gives, to about 15 digits, and all that is computed from it.
    Approximate(f64),
}

impl Number {
    pub(super) fn whole(it: impl Into<BigInt>) -> Number {
        Number::Exact(BigRational::from_integer(it.into()))
    }

    /// The number, if it is one.
    pub(super) fn approximate(it: f64) -> Result<Number, Fault> {
        if it.is_nan() {
            return Err(Fault::undefined("the result is not a number"));
        }
        if it.is_infinite() {
            return Err(Fault::undefined("an approximate number in it is too large"));
        }
        Ok(Number::Approximate(it))
    }

    pub(super) fn exact(it: BigRational) -> Result<Number, Fault> {
        sized(it).map(Number::Exact)
    }

    /// The nearest double.
    pub(super) fn to_f64(&self) -> Result<f64, Fault> {
        let nearest = match self {
            Number::Exact(it) => it.to_f64().unwrap_or(f64::NAN),
            Number::Approximate(it) => *it,
        };
        match nearest.is_finite() {
            true => Ok(nearest),
            false => {
                Err(Fault::undefined("a number is too large for a function of approximations"))
            }
        }
    }

    /// The integer, if it is exactly one.
    pub(super) fn integer(&self) -> Option<&BigInt> {
        match self {
            Number::Exact(it) if it.is_integer() => Some(it.numer()),
            _ => None,
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        match self {
            Number::Exact(it) => it.is_zero(),
            Number::Approximate(it) => *it == 0.0,
        }
    }

    pub(super) fn is_negative(&self) -> bool {
        match self {
            Number::Exact(it) => *it < BigRational::zero(),
            Number::Approximate(it) => *it < 0.0,
        }
    }

    pub(super) fn negated(self) -> Number {
        match self {
            Number::Exact(it) => Number::Exact(-it),
            Number::Approximate(it) => Number::Approximate(-it),
        }
    }

    pub(super) fn plus(&self, other: &Number) -> Result<Number, Fault> {
        self.with(other, |a, b| a + b, |a, b| a + b)
    }

    pub(super) fn minus(&self, other: &Number) -> Result<Number, Fault> {
        self.with(other, |a, b| a - b, |a, b| a - b)
    }

    pub(super) fn times(&self, other: &Number) -> Result<Number, Fault> {
        self.with(other, |a, b| a * b, |a, b| a * b)
    }

    pub(super) fn over(&self, other: &Number) -> Result<Number, Fault> {
        other.divides()?;
        self.with(other, |a, b| a / b, |a, b| a / b)
    }

    /// The quotient, rounded down.
    pub(super) fn floor_over(&self, other: &Number) -> Result<Number, Fault> {
        other.divides()?;
        self.with(other, |a, b| (a / b).floor(), |a, b| (a / b).floor())
    }

    /// What a division rounded down leaves; it has the sign of the divisor.
    pub(super) fn modulo(&self, other: &Number) -> Result<Number, Fault> {
        other.divides()?;
        let exact = |a: &BigRational, b: &BigRational| match (a.is_integer(), b.is_integer()) {
            (true, true) => BigRational::from_integer(a.numer().mod_floor(b.numer())),
            _ => a - b * (a / b).floor(),
        };
        let approximate = |a: f64, b: f64| match a % b {
            rest if rest != 0.0 && (rest < 0.0) != (b < 0.0) => rest + b,
            rest => rest,
        };
        self.with(other, exact, approximate)
    }

    fn divides(&self) -> Result<(), Fault> {
        if self.is_zero() { Err(Fault::undefined("division by zero")) } else { Ok(()) }
    }

    fn with(
        &self,
        other: &Number,
        exact: impl Fn(&BigRational, &BigRational) -> BigRational,
        approximate: impl Fn(f64, f64) -> f64,
    ) -> Result<Number, Fault> {
        match (self, other) {
            (Number::Exact(a), Number::Exact(b)) => Number::exact(exact(a, b)),
            _ => Number::approximate(approximate(self.to_f64()?, other.to_f64()?)),
        }
    }

    /// Compares what the numbers are, not what they look like rounded.
    pub(super) fn compare(&self, other: &Number) -> Ordering {
        let exact = |it: &Number| match it {
            Number::Exact(it) => it.clone(),
            Number::Approximate(it) => BigRational::from_float(*it).unwrap_or_default(),
        };
        match (self, other) {
            (Number::Approximate(a), Number::Approximate(b)) => a.total_cmp(b),
            _ => exact(self).cmp(&exact(other)),
        }
    }
}
