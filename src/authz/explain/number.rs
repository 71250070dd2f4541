//! Numbers that are sent: whole ones and decimals as one kind, and what could be sent instead.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::authz::facts::Amount;
use crate::policy::Reads;

/// One, in the ten-thousandths that everything here is counted in.
pub const ONE: i128 = 10_000;
/// After the point.
pub const DIGITS: u32 = 4;

/// An argument of a call that is a number. All of it is in ten-thousandths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// As it was sent; cut off where there is more to it.
    pub sent: i128,
    /// How far apart the values are that are tried: as far as those that were sent, or that
    /// policies name, for whoever pays in cents cannot send less than one.
    pub step: i128,
    /// False where policies cannot be shown what was sent, and the call is refused for it.
    pub is_exact: bool,
}

impl Number {
    /// The number that policies can be shown and that is nearest to the one that was sent.
    pub fn nearest(&self) -> i128 {
        let most = match self.step < ONE {
            true => i128::from(i64::MAX) / ONE * ONE,
            false => i128::from(i64::MAX) * ONE,
        };
        (self.sent / self.step * self.step).clamp(-most, most)
    }

    /// The values that `bounds` set apart from the one that was sent, nearest first; before them,
    /// where that one cannot be shown, the nearest that can. None has another sign: whoever pays
    /// does not mean to be paid.
    pub fn instead(&self, bounds: impl IntoIterator<Item = i128>) -> Vec<i128> {
        let floor = |it: i128| it.div_euclid(self.step) * self.step;
        let around = |it: i128| {
            let at = floor(it);
            let above = if at == it { Vec::new() } else { vec![at + self.step] };
            [at - self.step, at, at + self.step].into_iter().chain(above)
        };
        let is_meant = |it: &i128| it.signum() == self.sent.signum() || *it == 0 || self.sent == 0;
        let sent = self.is_exact.then_some(self.sent);
        let own = (!self.is_exact).then(|| self.nearest());
        let values: BTreeSet<i128> = bounds.into_iter().flat_map(around).chain(own).collect();
        let mut values: Vec<i128> =
            values.into_iter().filter(|it| is_meant(it) && Some(*it) != sent).collect();
        values.sort_by_key(|it| it.abs_diff(self.sent));
        values
    }
}

/// What these policies hold the argument at `pointer` against.
pub fn literals<'a>(
    reads: impl Iterator<Item = &'a Reads>,
    pointer: &str,
) -> impl Iterator<Item = i128> {
    reads.filter(move |it| it.reads_argument(pointer)).flat_map(|it| {
        let whole = it.numbers.iter().map(|it| i128::from(*it) * ONE);
        whole.chain(decimals(it))
    })
}

/// The decimals that a policy names.
pub fn decimals(reads: &Reads) -> impl Iterator<Item = i128> {
    let amounts = reads.decimals.iter().filter_map(|it| it.parse::<Amount>().ok());
    amounts.map(|it| i128::from(it.units()))
}

/// How many digits after the point a decimal was written with.
pub fn places(text: &str) -> u32 {
    let digits = text.split_once('.').map_or(0, |(_, part)| part.len());
    u32::try_from(digits).unwrap_or(DIGITS).min(DIGITS)
}

/// The step of numbers with so many digits after the point.
pub fn step(places: u32) -> i128 {
    10_i128.pow(DIGITS.saturating_sub(places))
}

/// A JSON number in ten-thousandths, and how many digits after its point it has.
pub fn read(value: &Value) -> Option<(i128, u32)> {
    let Value::Number(number) = value else { return None };
    // Display never writes an exponent, and as many digits as it takes.
    let text = match number.as_f64().filter(|_| number.is_f64()) {
        Some(it) => format!("{it}"),
        None => number.to_string(),
    };
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let digits: String = part.chars().chain("0000".chars()).take(DIGITS as usize).collect();
    let units = format!("{whole}{digits}").parse();
    let beyond = if text.starts_with('-') { i128::MIN / 2 } else { i128::MAX / 2 };
    Some((units.unwrap_or(beyond), places(&text)))
}

/// The JSON number of this many ten-thousandths; none where JSON's doubles cannot hold it.
pub fn written(units: i128) -> Option<Value> {
    if units % ONE == 0 {
        return i64::try_from(units / ONE).ok().map(Value::from);
    }
    let amount = Amount::of_units(i64::try_from(units).ok()?);
    let value = Value::from(amount.to_string().parse::<f64>().ok()?);
    (Amount::of(&value) == Ok(amount)).then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_are_tried_from_the_nearest_and_keep_their_sign() {
        let reads = Reads {
            arguments: ["/amount".to_owned()].into(),
            numbers: [-5, 0, 500, 2_000].into(),
            ..Reads::default()
        };
        let tried = |sent: i128| {
            let number = Number { sent: sent * ONE, step: ONE, is_exact: true };
            let values = number.instead(literals([&reads].into_iter(), "/amount"));
            values.into_iter().map(|it| it / ONE).collect::<Vec<_>>()
        };
        assert_eq!(tried(600), [501, 500, 499, 1, 0, 1_999, 2_000, 2_001]);
        assert!(tried(-6).iter().all(|it| *it <= 0));
        assert_eq!(literals([&reads].into_iter(), "/other").count(), 0);
    }

    #[test]
    fn values_are_as_fine_as_what_was_written() {
        let reads = Reads {
            arguments: ["/amount".to_owned()].into(),
            decimals: ["500.25".to_owned()].into(),
            ..Reads::default()
        };
        let tried = |step: i128| {
            let number = Number { sent: 900 * ONE, step, is_exact: true };
            number.instead(literals([&reads].into_iter(), "/amount"))
        };
        assert_eq!(tried(step(2)), [5_002_600, 5_002_500, 5_002_400]);
        // In whole ones there is none at the bound itself.
        assert_eq!(tried(step(0)), [501 * ONE, 500 * ONE, 499 * ONE]);
    }

    #[test]
    fn what_cannot_be_shown_is_cut_to_what_can() {
        for (sent, step, nearest) in [
            (json!(0.12345), 1, json!(0.1234)),
            (json!(-0.12345), 1, json!(-0.1234)),
            (json!(1e300), 1, json!(922_337_203_685_477_i64)),
            (json!(1e17), ONE, json!(100_000_000_000_000_000_i64)),
            (json!(u64::MAX), ONE, json!(i64::MAX)),
        ] {
            let number = Number { sent: read(&sent).unwrap().0, step, is_exact: false };
            assert_eq!(written(number.instead([])[0]), Some(nearest), "{sent}");
        }
    }

    #[test]
    fn a_number_is_written_as_it_is_read() {
        for (value, digits) in [(json!(399.9999), 4), (json!(0.5), 1), (json!(-12), 0)] {
            let (units, places) = read(&value).unwrap();
            assert_eq!((written(units), places), (Some(value), digits));
        }
        assert_eq!(read(&json!("1")), None);
        // Fifteen digits before the point leave a double no four behind it.
        assert_eq!(written(i128::from(i64::MAX)), None);
    }
}
