//! Rust values as Cedar expressions.

use std::collections::BTreeSet;

use anyhow::Result;
use cedar_policy::RestrictedExpression;
use jiff::Timestamp;

use crate::authz::uid::{Kind, uid};

type Expression = RestrictedExpression;

pub(super) fn entity(kind: Kind, id: &str) -> Expression {
    Expression::new_entity_uid(uid(kind, id))
}

pub(super) fn entities<'a>(kind: Kind, ids: impl IntoIterator<Item = &'a String>) -> Expression {
    Expression::new_set(ids.into_iter().map(|id| entity(kind, id)))
}

pub(super) fn scopes(ids: &BTreeSet<String>) -> Expression {
    entities(Kind::Scope, ids)
}

pub(super) fn record<const N: usize>(fields: [(&str, Expression); N]) -> Result<Expression> {
    Ok(Expression::new_record(fields.into_iter().map(|(key, value)| (key.to_owned(), value)))?)
}

/// Cedar's integers are signed: a count beyond them stays the largest there is.
pub(super) fn count(count: u64) -> Expression {
    Expression::new_long(i64::try_from(count).unwrap_or(i64::MAX))
}

pub(super) fn text(text: &str) -> Expression {
    Expression::new_string(text.to_owned())
}

pub(super) fn milliseconds(ms: u64) -> Expression {
    Expression::new_duration(format!("{ms}ms"))
}

pub(super) fn seconds(seconds: u64) -> Expression {
    Expression::new_duration(format!("{seconds}s"))
}

pub(super) fn instant(at: Timestamp) -> Expression {
    Expression::new_datetime(at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// US dollars. A Cedar decimal has four digits: rounded up, so that rounding never makes room
/// under a limit.
pub(super) fn dollars(micros: u64) -> Expression {
    let units = micros.div_ceil(100);
    Expression::new_decimal(format!("{}.{:04}", units / 10_000, units % 10_000))
}
