//! What the verifier knows of one use of a credential: the scope, the proven keys, the call.
//!
//! Arguments become entries of one map, `ctx({…})`, by JSON pointer (RFC 6901) under a name that
//! says their type and scale. No entry is ever rounded:
//!
//! | JSON | entry |
//! |---|---|
//! | `"de"` | `call.text/lang` = `"de"` |
//! | `true` | `call.flag/dry_run` = `true` |
//! | `400` | `call.number/amount` = 400 and `call.decimal/amount` = 4000000 |
//! | `400.5` | `call.number/amount` = `"400.5"` and `call.decimal/amount` = 4005000 |
//!
//! One name has one scale: were 0.05 to become 500 under `call.number`, it would pass a check for
//! at least 500. A number that does not fit its name stands there as text. Comparing text with a
//! number fails the whole verification, and so every check that looks at it refuses; leaving it
//! out would pass a check of the form "not above 500".

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use biscuit_auth::builder::{MapKey, Term};
use jiff::Timestamp;
use serde_json::{Number, Value};

/// The most leaves that the arguments of one call may have.
pub const LEAVES_MAX: usize = 512;

/// The deepest nesting of arguments.
pub const DEPTH_MAX: usize = 32;

/// Decimals keep four digits, as Cedar's do.
pub const DECIMAL_SCALE: i64 = 10_000;

/// Every integer up to here is its own double.
const EXACT_DOUBLE_MAX: f64 = 9_007_199_254_740_992.0;

/// One use of a credential, as the tool observes it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub(crate) scope: String,
    pub(crate) proved: BTreeSet<String>,
    context: BTreeMap<MapKey, Term>,
    leaves: usize,
}

/// Arguments too large to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    #[error("the arguments have more than {LEAVES_MAX} values")]
    TooMany,
    #[error("the arguments are nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

impl Request {
    /// A use of `scope`, with nothing else known yet.
    pub fn new(scope: impl Into<String>) -> Request {
        Request { scope: scope.into(), ..Request::default() }
    }

    /// The caller proved possession of the key with this RFC 7638 thumbprint, by a DPoP proof
    /// (RFC 9449) that the verifier checked. May be said of several keys.
    pub fn holder_proved(mut self, thumbprint: impl Into<String>) -> Request {
        self.proved.insert(thumbprint.into());
        self
    }

    /// The weekday and the milliseconds since midnight in the organization's home zone.
    pub fn local_time(self, weekday: &str, since_midnight_ms: i64) -> Request {
        self.observe("clock.local.weekday", text(weekday))
            .observe("clock.local.time", Term::Integer(since_midnight_ms))
    }

    /// The caller's address. Only IPv4 has a name in the credential format.
    pub fn from_address(self, address: IpAddr) -> Request {
        match address.to_canonical() {
            IpAddr::V4(it) => self.observe("net.ip4", Term::Integer(u32::from(it).into())),
            IpAddr::V6(_) => self,
        }
    }

    /// The caller's country, ISO 3166-1 alpha-2.
    pub fn from_country(self, country: &str) -> Request {
        self.observe("net.country", text(country))
    }

    /// The arguments of the call, usually one JSON object.
    pub fn arguments(self, arguments: &Value) -> Result<Request, ArgumentError> {
        self.argument("", arguments)
    }

    /// One argument under its JSON pointer, such as `/amount`.
    pub fn argument(mut self, pointer: &str, value: &Value) -> Result<Request, ArgumentError> {
        self.flatten(pointer, value, 0)?;
        Ok(self)
    }

    /// As a verifier would put it that knows nothing of this entry.
    #[cfg(test)]
    #[cfg(feature = "server")]
    pub(crate) fn without(mut self, name: &str) -> Request {
        self.context.remove(&key(name));
        self
    }

    /// The map that `ctx` carries at `now`.
    pub(crate) fn context(&self, now: Timestamp) -> Term {
        let mut context = self.context.clone();
        context.insert(key("clock.now"), Term::Integer(now.as_millisecond()));
        Term::Map(context)
    }

    /// How many entries the map has, and its longest text in bytes: what a check may cost.
    pub(crate) fn extent(&self) -> (usize, usize) {
        let longest = self.context.values().map(|it| match it {
            Term::Str(it) => it.len(),
            _ => 0,
        });
        (1 + self.context.len(), longest.max().unwrap_or_default())
    }

    fn flatten(&mut self, pointer: &str, value: &Value, depth: usize) -> Result<(), ArgumentError> {
        if depth > DEPTH_MAX {
            return Err(ArgumentError::TooDeep);
        }
        match value {
            Value::Null => Ok(()),
            Value::Bool(it) => self.leaf([("call.flag", pointer, Term::Bool(*it))]),
            Value::String(it) => self.leaf([("call.text", pointer, text(it))]),
            Value::Number(it) => self.leaf([
                ("call.number", pointer, whole(it).map_or_else(|| text(&it.to_string()), int)),
                ("call.decimal", pointer, scaled(it).map_or_else(|| text(&it.to_string()), int)),
            ]),
            Value::Array(items) => items.iter().enumerate().try_for_each(|(index, it)| {
                self.flatten(&format!("{pointer}/{index}"), it, depth + 1)
            }),
            Value::Object(members) => members.iter().try_for_each(|(name, it)| {
                self.flatten(&format!("{pointer}/{}", escape(name)), it, depth + 1)
            }),
        }
    }

    fn leaf<const N: usize>(
        &mut self,
        terms: [(&str, &str, Term); N],
    ) -> Result<(), ArgumentError> {
        self.leaves += 1;
        if self.leaves > LEAVES_MAX {
            return Err(ArgumentError::TooMany);
        }
        for (kind, pointer, term) in terms {
            self.context.insert(MapKey::Str(format!("{kind}{pointer}")), term);
        }
        Ok(())
    }

    fn observe(mut self, name: &str, term: Term) -> Request {
        self.context.insert(key(name), term);
        self
    }
}

/// A member name as a step of a JSON pointer (RFC 6901, section 3).
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The number as an integer, if it is one.
pub fn whole(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let it = number.as_f64()?;
        let exact = number.is_f64() && it.fract() == 0.0 && it.abs() < EXACT_DOUBLE_MAX;
        // Formatting is the conversion that cannot saturate; `{:.0}` of an integer is exact.
        exact.then(|| format!("{it:.0}").parse().ok())?
    })
}

/// The number times [`DECIMAL_SCALE`], if that is an integer that fits.
pub fn scaled(number: &Number) -> Option<i64> {
    if let Some(it) = whole(number) {
        return it.checked_mul(DECIMAL_SCALE);
    }
    let written = number.to_string();
    let (sign, digits) = written.strip_prefix('-').map_or((1, written.as_str()), |it| (-1, it));
    let (whole, fraction) = digits.split_once('.')?;
    if fraction.len() > 4 {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<4}").parse().ok()?;
    whole.checked_mul(DECIMAL_SCALE)?.checked_add(fraction)?.checked_mul(sign)
}

fn key(name: &str) -> MapKey {
    MapKey::Str(name.to_owned())
}

fn text(it: &str) -> Term {
    Term::Str(it.to_owned())
}

fn int(it: i64) -> Term {
    Term::Integer(it)
}
