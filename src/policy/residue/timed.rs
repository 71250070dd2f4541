//! Conditions that the clock alone decides: where they may change from true to false, and back.

use std::collections::BTreeSet;

use cedar_policy::Expression;
use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp};

use super::super::syntax::{Zone, context_path, walk, zone_read};

/// A condition on the clock.
#[derive(Debug)]
pub struct Timed {
    pub expression: Expression,
    /// The zones whose clocks it reads, besides the one at home.
    pub zones: BTreeSet<String>,
    /// Where it may change, besides at midnight: each gives milliseconds.
    pub changes: Vec<(Reading, Expression)>,
}

/// Which hand of the clock is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The instant; the other side is one, too: milliseconds since the epoch.
    Now,
    /// The time of the day; the other side is as long after midnight.
    TimeOfDay,
}

impl Timed {
    /// None where it does more with the clock than compare what it shows.
    pub(super) fn of(it: &Expr) -> Option<Timed> {
        let mut changes = Vec::new();
        compares(it, &mut changes)?;
        let mut zones = BTreeSet::new();
        walk(it, &mut |part| {
            if let Some(Zone::Literal(zone)) = zone_read(part) {
                zones.insert(zone.to_owned());
            }
        });
        Some(Timed { expression: it.to_string().parse().ok()?, zones, changes })
    }
}

/// Whether `it` reads the clock in no way but these.
fn compares(it: &Expr, changes: &mut Vec<(Reading, Expression)>) -> Option<()> {
    if !reads_clock(it) {
        return Some(());
    }
    match it {
        Expr::UnaryOp { op: UnaryOp::Not, expr } => compares(expr, changes),
        Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => {
            compares(left, changes)?;
            compares(right, changes)
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            compares(cond, changes)?;
            compares(then_expr, changes)?;
            compares(else_expr, changes)
        }
        // Whether a zone's clock is told does not change.
        Expr::BinaryOp { op: BinaryOp::HasTag, .. } => zone_read(it).map(|_| ()),
        Expr::BinaryOp { op: BinaryOp::Contains, left, right } if !reads_clock(left) => {
            (hand(right)? == Hand::Weekday).then_some(())
        }
        Expr::BinaryOp {
            op:
                BinaryOp::Eq
                | BinaryOp::NotEq
                | BinaryOp::Less
                | BinaryOp::LessEq
                | BinaryOp::Greater
                | BinaryOp::GreaterEq,
            left,
            right,
        } => match (reads_clock(left), reads_clock(right)) {
            (true, false) => changes_at(&hand(left)?, right, changes),
            (false, true) => changes_at(&hand(right)?, left, changes),
            _ => None,
        },
        _ => None,
    }
}

#[derive(PartialEq, Eq)]
enum Hand {
    Weekday,
    Read(Reading),
}

fn changes_at(hand: &Hand, other: &Expr, changes: &mut Vec<(Reading, Expression)>) -> Option<()> {
    let Hand::Read(reading) = hand else { return Some(()) };
    let milliseconds = match *reading {
        Reading::Now => {
            format!("({other}).durationSince(datetime(\"1970-01-01\")).toMilliseconds()")
        }
        Reading::TimeOfDay => format!("({other}).toMilliseconds()"),
    };
    changes.push((*reading, milliseconds.parse().ok()?));
    Some(())
}

/// What of the clock `it` is.
fn hand(it: &Expr) -> Option<Hand> {
    let named = |attr: &str| match attr {
        "weekday" => Some(Hand::Weekday),
        "time" => Some(Hand::Read(Reading::TimeOfDay)),
        _ => None,
    };
    match (context_path(it).as_deref(), it) {
        (Some("clock.now"), _) => Some(Hand::Read(Reading::Now)),
        (Some(path), _) => named(path.strip_prefix("clock.local.")?),
        (None, Expr::GetAttr { expr, attr }) => {
            let Expr::BinaryOp { op: BinaryOp::GetTag, right, .. } = &**expr else { return None };
            zone_read(expr)?;
            matches!(**right, Expr::Literal(Literal::String(_))).then(|| named(attr))?
        }
        _ => None,
    }
}

fn reads_clock(it: &Expr) -> bool {
    let mut found = false;
    walk(it, &mut |part| {
        found |= context_path(part).is_some_and(|it| it == "clock" || it.starts_with("clock."));
    });
    found
}
