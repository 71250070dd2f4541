//! How much an expression may ask for.

use std::time::{Duration, Instant};

use num_bigint::BigInt;
use num_rational::BigRational;

use super::fault::Fault;
use crate::clock::Clock;

/// The longest expression, in characters.
pub const EXPRESSION_MAX: usize = 4096;
/// How deep parentheses, signs and powers may stand in each other.
pub const NESTING_MAX: usize = 64;
/// The most decimal digits of a whole number.
pub const DIGITS_MAX: u64 = 10_000;
/// The most decimal digits behind the point, or of a denominator: to bring a fraction to its lowest
/// terms costs the product of both lengths.
pub const DENOMINATOR_DIGITS_MAX: u64 = 1_000;
/// How long an expression may take.
pub const TIME_MAX: Duration = Duration::from_secs(1);

const BITS_MAX: u64 = bits(DIGITS_MAX);
const DENOMINATOR_BITS_MAX: u64 = bits(DENOMINATOR_DIGITS_MAX);

/// The bits that so many digits need: log2(10) is a little less than 3322/1000.
const fn bits(digits: u64) -> u64 {
    digits * 3322 / 1000
}

/// When to give up. Looked at before every step, each of which the size of numbers bounds.
#[derive(Clone, Debug)]
pub struct Deadline {
    until: Instant,
    clock: Clock,
}

impl Deadline {
    /// So long from now.
    pub fn after(time: Duration, clock: &Clock) -> Deadline {
        Deadline { until: clock.monotonic() + time, clock: clock.clone() }
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.clock.monotonic() < self.until { Ok(()) } else { Err(Fault::TooSlow) }
    }
}

/// The number, if it is not too large.
pub(super) fn sized(it: BigRational) -> Result<BigRational, Fault> {
    let fits = it.numer().bits() <= BITS_MAX && it.denom().bits() <= DENOMINATOR_BITS_MAX;
    if fits { Ok(it) } else { Err(Fault::TooLarge) }
}

/// Refuses a product before it is made, when `times` factors of this size cannot fit.
pub(super) fn affordable(base: &BigInt, times: u64) -> Result<(), Fault> {
    // A number of n bits is at least 2^(n-1).
    let least = base.bits().saturating_sub(1).saturating_mul(times);
    if least <= BITS_MAX { Ok(()) } else { Err(Fault::TooLarge) }
}
