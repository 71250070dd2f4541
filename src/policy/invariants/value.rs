//! Values of requests that are made up: they can be compared, changed and told to Cedar.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cedar_policy::{EntityUid, EvalResult, RestrictedExpression};
use jiff::Timestamp;

/// A Cedar value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Bool(bool),
    Long(i64),
    Text(String),
    Entity(EntityUid),
    /// Milliseconds since 1970.
    Instant(i64),
    /// Milliseconds.
    Duration(i64),
    /// Ten-thousandths.
    Decimal(i64),
    Ip(String),
    Set(BTreeSet<Value>),
    Record(BTreeMap<String, Value>),
}

impl Value {
    /// As Cedar takes it; None for an instant outside the years there are.
    pub(super) fn expression(&self) -> Option<RestrictedExpression> {
        Some(match self {
            Value::Bool(it) => RestrictedExpression::new_bool(*it),
            Value::Long(it) => RestrictedExpression::new_long(*it),
            Value::Text(it) => RestrictedExpression::new_string(it.clone()),
            Value::Entity(it) => RestrictedExpression::new_entity_uid(it.clone()),
            Value::Instant(_) => RestrictedExpression::new_datetime(self.instant()?),
            Value::Duration(ms) => RestrictedExpression::new_duration(format!("{ms}ms")),
            Value::Decimal(_) => RestrictedExpression::new_decimal(self.to_string()),
            Value::Ip(it) => RestrictedExpression::new_ip(it.clone()),
            Value::Set(items) => {
                let items: Option<Vec<_>> = items.iter().map(Value::expression).collect();
                RestrictedExpression::new_set(items?)
            }
            Value::Record(fields) => RestrictedExpression::new_record(pairs(fields)?).ok()?,
        })
    }

    fn instant(&self) -> Option<String> {
        let Value::Instant(ms) = self else { return None };
        let at = Timestamp::from_millisecond(*ms).ok()?;
        Some(at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
    }

    /// What Cedar read; None for what the search has no use for.
    pub(super) fn of(read: EvalResult) -> Option<Value> {
        Some(match read {
            EvalResult::Bool(it) => Value::Bool(it),
            EvalResult::Long(it) => Value::Long(it),
            EvalResult::String(it) => Value::Text(it),
            EvalResult::EntityUid(it) => Value::Entity(it),
            EvalResult::Set(items) => {
                let items: Option<BTreeSet<Value>> = items.iter().cloned().map(Value::of).collect();
                Value::Set(items?)
            }
            _ => return None,
        })
    }
}

/// The fields of a record, as Cedar takes them.
pub(super) fn pairs(
    fields: &BTreeMap<String, Value>,
) -> Option<Vec<(String, RestrictedExpression)>> {
    fields.iter().map(|(key, it)| Some((key.clone(), it.expression()?))).collect()
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(it) => it.fmt(f),
            Value::Long(it) => it.fmt(f),
            Value::Text(it) => write!(f, "{it:?}"),
            Value::Entity(it) => it.fmt(f),
            Value::Instant(_) => f.write_str(&self.instant().unwrap_or_default()),
            Value::Duration(ms) => span(*ms).fmt(f),
            Value::Decimal(it) => {
                let sign = if *it < 0 { "-" } else { "" };
                let it = it.unsigned_abs();
                write!(f, "{sign}{}.{:04}", it / 10_000, it % 10_000)
            }
            Value::Ip(it) => f.write_str(it),
            Value::Set(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Value::Record(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(key, it)| format!("{key}: {it}")).collect();
                write!(f, "{{{}}}", fields.join(", "))
            }
        }
    }
}

/// A duration as Cedar writes it, without what is zero.
pub(super) fn span(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let mut left = ms.unsigned_abs();
    let mut text = String::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)]
    {
        if left >= size {
            text.push_str(&format!("{}{unit}", left / size));
            left %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { format!("{sign}{text}") }
}
