//! Rust values as Cedar expressions.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::LazyLock;

use anyhow::Result;
use cedar_policy::RestrictedExpression;
use jiff::Timestamp;
use moka::sync::Cache;

use crate::authz::uid::{Kind, uid};

type Expression = RestrictedExpression;

/// Calls of extension functions are kept once they are built: Cedar parses the name of the function
/// every time, which costs more than all the rest of a context.
static BUILT: LazyLock<Cache<Extension, Expression>> = LazyLock::new(|| Cache::new(BUILT_MAX));
const BUILT_MAX: u64 = 4096;

/// An extension value by what it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Extension {
    Milliseconds(u64),
    Seconds(u64),
    /// Ten-thousandths.
    Decimal(u64),
    Ip(IpAddr),
}

impl Extension {
    fn expression(self) -> Expression {
        BUILT.get_with(self, || match self {
            Extension::Milliseconds(it) => Expression::new_duration(format!("{it}ms")),
            Extension::Seconds(it) => Expression::new_duration(format!("{it}s")),
            Extension::Decimal(it) => {
                Expression::new_decimal(format!("{}.{:04}", it / 10_000, it % 10_000))
            }
            Extension::Ip(it) => Expression::new_ip(it.to_string()),
        })
    }
}

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
    Extension::Milliseconds(ms).expression()
}

pub(super) fn seconds(seconds: u64) -> Expression {
    Extension::Seconds(seconds).expression()
}

pub(super) fn instant(at: Timestamp) -> Expression {
    Expression::new_datetime(at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// US dollars. A Cedar decimal has four digits: rounded up, so that rounding never makes room
/// under a limit.
pub(super) fn dollars(micros: u64) -> Expression {
    Extension::Decimal(micros.div_ceil(100)).expression()
}

pub(super) fn ip(ip: IpAddr) -> Expression {
    Extension::Ip(ip).expression()
}
