//! The functions and constants that an expression may name.

use std::cmp::Ordering;
use std::f64::consts;
use std::ops::RangeInclusive;

use num_bigint::BigInt;
use num_integer::Integer as _;
use num_rational::BigRational;
use num_traits::{One as _, Signed as _, ToPrimitive as _, pow};

use super::fault::Fault;
use super::limits::{DENOMINATOR_DIGITS_MAX, Deadline, sized};
use super::number::Number;
use super::power::{ln, log, root};

/// The most arguments of functions that take any number of them.
const ARGUMENTS_MAX: usize = 1000;

type Compute = fn(&Arguments<'_>) -> Result<Number, Fault>;

#[derive(Debug)]
pub(super) struct Function {
    name: &'static str,
    pub(super) takes: RangeInclusive<usize>,
    compute: Compute,
}

pub(super) struct Arguments<'a> {
    given: &'a [Number],
    deadline: &'a Deadline,
}

impl Function {
    pub(super) fn call(&self, given: &[Number], deadline: &Deadline) -> Result<Number, Fault> {
        (self.compute)(&Arguments { given, deadline })
    }

    /// How many arguments, in words.
    pub(super) fn wants(&self) -> String {
        match (*self.takes.start(), *self.takes.end()) {
            (1, 1) => "1 argument".to_owned(),
            (least, most) if least == most => format!("{least} arguments"),
            (least, ARGUMENTS_MAX) => format!("{least} to {ARGUMENTS_MAX} arguments"),
            (least, most) => format!("{least} or {most} arguments"),
        }
    }
}

const fn function(name: &'static str, takes: RangeInclusive<usize>, compute: Compute) -> Function {
    Function { name, takes, compute }
}

const CONSTANTS: [(&str, f64); 3] = [("e", consts::E), ("pi", consts::PI), ("tau", consts::TAU)];

static FUNCTIONS: [Function; 37] = [
    function("abs", 1..=1, |it| Ok(magnitude(it.first()?))),
    function("acos", 1..=1, |it| it.real(f64::acos)),
    function("acosh", 1..=1, |it| it.real(f64::acosh)),
    function("asin", 1..=1, |it| it.real(f64::asin)),
    function("asinh", 1..=1, |it| it.real(f64::asinh)),
    function("atan", 1..=1, |it| it.real(f64::atan)),
    function("atan2", 2..=2, |it| {
        Number::approximate(it.first()?.to_f64()?.atan2(it.second()?.to_f64()?))
    }),
    function("atanh", 1..=1, |it| it.real(f64::atanh)),
    function("cbrt", 1..=1, |it| root(it.first()?, 3)),
    function("ceil", 1..=1, |it| it.rounded(BigRational::ceil)),
    function("comb", 2..=2, choose),
    function("cos", 1..=1, |it| it.real(f64::cos)),
    function("cosh", 1..=1, |it| it.real(f64::cosh)),
    function("degrees", 1..=1, |it| it.real(f64::to_degrees)),
    function("exp", 1..=1, |it| it.real(f64::exp)),
    function("factorial", 1..=1, |it| factorial(it.first()?, it.deadline)),
    function("floor", 1..=1, |it| it.rounded(BigRational::floor)),
    function("gcd", 1..=ARGUMENTS_MAX, |it| it.folded(BigInt::gcd)),
    function("hypot", 2..=2, |it| {
        let (a, b) = (it.first()?, it.second()?);
        root(&a.times(a)?.plus(&b.times(b)?)?, 2)
    }),
    function("lcm", 1..=ARGUMENTS_MAX, |it| it.folded(BigInt::lcm)),
    function("ln", 1..=1, |it| ln(it.first()?)),
    function("log", 1..=2, |it| match it.second() {
        Ok(base) => log(it.first()?, base),
        Err(_) => ln(it.first()?),
    }),
    function("log10", 1..=1, |it| log(it.first()?, &Number::whole(10))),
    function("log2", 1..=1, |it| log(it.first()?, &Number::whole(2))),
    function("max", 1..=ARGUMENTS_MAX, |it| it.foremost(Ordering::Greater)),
    function("mean", 1..=ARGUMENTS_MAX, |it| sum(it)?.over(&Number::whole(it.given.len()))),
    function("min", 1..=ARGUMENTS_MAX, |it| it.foremost(Ordering::Less)),
    function("radians", 1..=1, |it| it.real(f64::to_radians)),
    function("round", 1..=2, |it| match it.second() {
        Ok(digits) => round_to(it.first()?, digits),
        Err(_) => it.rounded(BigRational::round),
    }),
    function("root", 2..=2, |it| {
        let degree = it.second()?.integer().and_then(BigInt::to_u32);
        root(it.first()?, degree.ok_or_else(|| Fault::undefined("a root has a whole degree"))?)
    }),
    function("sin", 1..=1, |it| it.real(f64::sin)),
    function("sinh", 1..=1, |it| it.real(f64::sinh)),
    function("sqrt", 1..=1, |it| root(it.first()?, 2)),
    function("sum", 1..=ARGUMENTS_MAX, sum),
    function("tan", 1..=1, |it| it.real(f64::tan)),
    function("tanh", 1..=1, |it| it.real(f64::tanh)),
    function("trunc", 1..=1, |it| it.rounded(BigRational::trunc)),
];

pub(super) fn named(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|it| it.name == name)
}

pub(super) fn constant(name: &str) -> Option<f64> {
    CONSTANTS.iter().find(|(it, _)| *it == name).map(|(_, value)| *value)
}

/// All there are, for whoever named another.
pub(super) fn names() -> String {
    let constants = CONSTANTS.iter().map(|(name, _)| *name);
    constants.chain(FUNCTIONS.iter().map(|it| it.name)).collect::<Vec<_>>().join(", ")
}

impl<'a> Arguments<'a> {
    fn first(&self) -> Result<&'a Number, Fault> {
        self.given.first().ok_or_else(|| Fault::undefined("an argument is missing"))
    }

    fn second(&self) -> Result<&'a Number, Fault> {
        self.given.get(1).ok_or_else(|| Fault::undefined("an argument is missing"))
    }

    /// A function of doubles; outside of where it is defined it gives none.
    fn real(&self, of: fn(f64) -> f64) -> Result<Number, Fault> {
        Number::approximate(of(self.first()?.to_f64()?))
    }

    fn rounded(&self, how: fn(&BigRational) -> BigRational) -> Result<Number, Fault> {
        shaped(self.first()?, how)
    }

    fn foremost(&self, wanted: Ordering) -> Result<Number, Fault> {
        let mut best = self.first()?;
        for it in self.given {
            self.deadline.check()?;
            if it.compare(best) == wanted {
                best = it;
            }
        }
        Ok(best.clone())
    }

    fn folded(&self, combine: fn(&BigInt, &BigInt) -> BigInt) -> Result<Number, Fault> {
        let mut whole = self.given.iter().map(|it| {
            it.integer().ok_or_else(|| Fault::undefined("only whole numbers have divisors"))
        });
        let mut result = whole.next().transpose()?.map(|it| it.abs()).unwrap_or_default();
        for it in whole {
            self.deadline.check()?;
            result = sized(combine(&result, it?).into())?.to_integer();
        }
        Number::exact(result.into())
    }
}

/// Rounds; an approximation stays one.
fn shaped(it: &Number, how: impl Fn(&BigRational) -> BigRational) -> Result<Number, Fault> {
    match it {
        Number::Exact(it) => Number::exact(how(it)),
        Number::Approximate(it) => {
            let exact = BigRational::from_float(*it).unwrap_or_default();
            Number::approximate(how(&exact).to_f64().unwrap_or(f64::NAN))
        }
    }
}

/// Half a unit is rounded away from zero, as people do it on paper.
fn round_to(it: &Number, digits: &Number) -> Result<Number, Fault> {
    let digits = digits.integer().and_then(BigInt::to_i64);
    let digits = digits
        .filter(|it| it.unsigned_abs() <= DENOMINATOR_DIGITS_MAX)
        .ok_or_else(|| Fault::undefined("digits to round to are a whole number up to 1000"))?;
    let scale = pow(BigInt::from(10), digits.unsigned_abs() as usize);
    let unit = match digits < 0 {
        true => BigRational::from_integer(scale),
        false => BigRational::new_raw(BigInt::one(), scale),
    };
    shaped(it, |it| (it / &unit).round() * &unit)
}

fn magnitude(it: &Number) -> Number {
    if it.is_negative() { it.clone().negated() } else { it.clone() }
}

fn sum(of: &Arguments<'_>) -> Result<Number, Fault> {
    of.given.iter().try_fold(Number::whole(0), |total, it| {
        of.deadline.check()?;
        total.plus(it)
    })
}

pub(super) fn factorial(of: &Number, deadline: &Deadline) -> Result<Number, Fault> {
    let of = of.integer().filter(|it| !it.is_negative());
    let of = of.ok_or_else(|| Fault::undefined("only whole numbers from 0 on have a factorial"))?;
    let of = of.to_u32().ok_or(Fault::TooLarge)?;
    product((2..=of).map(BigInt::from), deadline).map(Number::whole)
}

/// How many ways there are to choose so many out of so many.
fn choose(it: &Arguments<'_>) -> Result<Number, Fault> {
    let whole = |it: &Number| it.integer().filter(|it| !it.is_negative()).cloned();
    let (all, some) = whole(it.first()?)
        .zip(whole(it.second()?))
        .ok_or_else(|| Fault::undefined("only whole numbers from 0 on can be chosen from"))?;
    if some > all {
        return Ok(Number::whole(0));
    }
    let fewer = some.clone().min(&all - &some).to_u32().ok_or(Fault::TooLarge)?;
    let mut ways = BigInt::one();
    for taken in 0..fewer {
        it.deadline.check()?;
        // Each of these is whole: it is the number of ways to choose `taken + 1`.
        ways = sized((ways * (&all - taken) / (taken + 1)).into())?.to_integer();
    }
    Ok(Number::whole(ways))
}

fn product(of: impl Iterator<Item = BigInt>, deadline: &Deadline) -> Result<BigInt, Fault> {
    of.into_iter().try_fold(BigInt::one(), |product, it| {
        deadline.check()?;
        Ok(sized((product * it).into())?.to_integer())
    })
}
