//! What an expression reads of a request, and the literals that it holds against it.

use std::collections::BTreeSet;

use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem, UnaryOp, Var};
use cedar_policy::{EntityId, EntityUid};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::super::syntax::walk;
use super::sketch::{Path, Root, Step};
use super::value::Value;

/// Something about a request that an expression can turn on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    /// The value at a place, or that there is none.
    At(Path),
    /// Whether the entity at a place is in another.
    In(Path, EntityUid),
    /// The same, of the one at another place.
    InAt(Path, Path),
}

/// What an expression reads, and what it compares that with.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct Reads {
    pub(in crate::policy::invariants) facts: BTreeSet<Fact>,
    pub(in crate::policy::invariants) literals: BTreeSet<Value>,
    /// Whether something is made of what is read before it is compared: its literals are not where
    /// that turns.
    pub(in crate::policy::invariants) computes: bool,
}

impl Reads {
    /// What `expressions` read together.
    pub(super) fn of<'a>(expressions: impl IntoIterator<Item = &'a Expr>) -> Reads {
        let mut reads = Reads::default();
        for it in expressions {
            walk(it, &mut |part| reads.take(part));
        }
        reads
    }

    pub(super) fn and(&self, other: &Reads) -> Reads {
        Reads {
            facts: self.facts.union(&other.facts).cloned().collect(),
            literals: self.literals.union(&other.literals).cloned().collect(),
            computes: self.computes || other.computes,
        }
    }

    fn take(&mut self, part: &Expr) {
        self.literals.extend(literal(part));
        self.computes |= computes(part);
        match part {
            Expr::BinaryOp { op: BinaryOp::In, left, right } => self.take_in(left, right),
            Expr::Is { expr, in_expr: Some(group), .. } => self.take_in(expr, group),
            Expr::HasAttr { expr, attrs } => {
                let Some(mut path) = path(expr) else { return };
                for attribute in attrs {
                    path.steps.push(Step::Attribute(attribute.to_string()));
                    self.facts.insert(Fact::At(path.clone()));
                }
            }
            Expr::BinaryOp { op: BinaryOp::HasTag, left, right } => {
                if let (Some(mut path), Some(tag)) = (path(left), text(right)) {
                    path.steps.push(Step::Tag(tag));
                    self.facts.insert(Fact::At(path));
                }
            }
            other => self.facts.extend(path(other).map(Fact::At)),
        }
    }

    fn take_in(&mut self, member: &Expr, group: &Expr) {
        let Some(member) = path(member) else { return };
        if let Some(at) = path(group) {
            self.facts.insert(Fact::InAt(member, at));
            return;
        }
        walk(group, &mut |it| {
            if let Some(Value::Entity(group)) = literal(it) {
                self.facts.insert(Fact::In(member.clone(), group));
            }
        });
    }
}

/// Whether `part` makes a value of others, or reads at a place that nobody can name.
fn computes(part: &Expr) -> bool {
    match part {
        Expr::UnaryOp { op, expr } => match op {
            UnaryOp::Not | UnaryOp::IsEmpty => false,
            UnaryOp::IsIPv4 | UnaryOp::IsIPV6 => false,
            UnaryOp::IsLoopback | UnaryOp::IsMulticast => false,
            _ => extension(*op, &text(expr).unwrap_or_default()).is_none(),
        },
        Expr::BinaryOp { op, left, right } => match op {
            BinaryOp::Add
            | BinaryOp::Sub
            | BinaryOp::Mul
            | BinaryOp::Offset
            | BinaryOp::DurationSince => true,
            BinaryOp::GetTag | BinaryOp::HasTag => path(left).is_none() || text(right).is_none(),
            BinaryOp::In => path(left).is_none(),
            _ => false,
        },
        Expr::GetAttr { expr, .. } | Expr::HasAttr { expr, .. } => path(expr).is_none(),
        Expr::Is { expr, in_expr: Some(_), .. } => path(expr).is_none(),
        _ => false,
    }
}

/// The place that an expression names. `action` is none: it never varies.
pub(super) fn path(expression: &Expr) -> Option<Path> {
    let (inner, step) = match expression {
        Expr::Var(Var::Principal) => return Some(Path { root: Root::Principal, steps: vec![] }),
        Expr::Var(Var::Resource) => return Some(Path { root: Root::Resource, steps: vec![] }),
        Expr::Var(Var::Context) => return Some(Path { root: Root::Context, steps: vec![] }),
        Expr::GetAttr { expr, attr } => (expr, Step::Attribute(attr.to_string())),
        Expr::BinaryOp { op: BinaryOp::GetTag, left, right } => (left, Step::Tag(text(right)?)),
        _ => return None,
    };
    let mut path = path(inner)?;
    path.steps.push(step);
    Some(path)
}

fn text(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Literal(Literal::String(it)) => Some(it.to_string()),
        _ => None,
    }
}

/// The value that an expression writes out.
pub(super) fn literal(expression: &Expr) -> Option<Value> {
    match expression {
        Expr::Literal(Literal::Long(it)) => Some(Value::Long(*it)),
        Expr::Literal(Literal::String(it)) => Some(Value::Text(it.to_string())),
        Expr::Literal(Literal::EntityUID(it)) => {
            let name = it.ty.to_string().parse().ok()?;
            Some(Value::Entity(EntityUid::from_type_name_and_id(name, EntityId::new(&it.eid))))
        }
        Expr::UnaryOp { op, expr } => extension(*op, &text(expr)?),
        // Text that the pattern matches.
        Expr::Like { pattern, .. } => {
            let plain = pattern.iter().filter_map(|it| match it {
                PatternElem::Char(it) => Some(*it),
                PatternElem::Wildcard => None,
            });
            Some(Value::Text(plain.collect()))
        }
        _ => None,
    }
}

fn extension(op: UnaryOp, text: &str) -> Option<Value> {
    match op {
        UnaryOp::Duration => duration(text).map(Value::Duration),
        UnaryOp::Datetime => instant(text).map(Value::Instant),
        UnaryOp::Decimal => decimal(text).map(Value::Decimal),
        UnaryOp::Ip => Some(Value::Ip(text.to_owned())),
        _ => None,
    }
}

/// `1h30m` in milliseconds.
fn duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut sum: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let units = [("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
        let (unit, size) = units.into_iter().find(|(unit, _)| after.starts_with(unit))?;
        sum = sum.checked_add(number.parse::<i64>().ok()?.checked_mul(size)?)?;
        rest = after.strip_prefix(unit)?;
    }
    sum.checked_mul(sign)
}

/// A day, or an instant with its offset, in milliseconds since 1970.
fn instant(text: &str) -> Option<i64> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_millisecond());
    }
    let at = match text.parse::<DateTime>() {
        Ok(it) => it.to_zoned(TimeZone::UTC).ok()?.timestamp(),
        // Cedar writes offsets without a colon.
        Err(_) => Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()?,
    };
    Some(at.as_millisecond())
}

/// `10.25` in ten-thousandths.
fn decimal(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.')?;
    let digits = format!("{part:0<4}");
    format!("{whole}{}", digits.get(..4)?).parse().ok()
}
