//! What each policy looks at: the facts that its conditions read, and the literals that it holds
//! them against. Whoever searches for a way past a policy begins here.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp, Var};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::syntax::{Written, children};
use crate::authz::uid::Kind;

/// Maps of arguments in the context of a call.
const ARGUMENTS: [&str; 3] = ["call.text", "call.number", "call.flag"];
/// The one of whole numbers.
const NUMBERS: [&str; 2] = ["call", "number"];
/// The record of a call's typed arguments.
const INPUT: &str = "input";

/// What one policy or template reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Paths below `context`, such as `session.mfa_age`; the empty one is all of it.
    pub context: BTreeSet<String>,
    /// Attributes of the resource.
    pub resource: BTreeSet<String>,
    /// JSON pointers (RFC 6901) of a call's arguments; the empty one is any of them.
    pub arguments: BTreeSet<String>,
    /// Milliseconds.
    pub durations: BTreeSet<i64>,
    pub instants: BTreeSet<Timestamp>,
    pub numbers: BTreeSet<i64>,
    /// As they are written: `500.00`.
    pub decimals: BTreeSet<String>,
    /// Of the arguments, those that are looked up among whole numbers, where no other is found.
    pub whole: BTreeSet<String>,
    pub scopes: BTreeSet<String>,
    /// Whether something is worked out from times, so that the literals are not all that matters.
    pub computes_time: bool,
}

impl Reads {
    /// What one expression reads.
    pub fn of(expression: &Expr) -> Reads {
        let mut reads = Reads::default();
        reads.look(expression);
        reads
    }

    /// Whether it looks at `path` below `context`, at something in it, or at all it is in.
    pub fn reads(&self, path: &str) -> bool {
        self.context.iter().any(|it| it.is_empty() || within(it, path) || within(path, it))
    }

    /// Whether it looks at the argument at `pointer`.
    pub fn reads_argument(&self, pointer: &str) -> bool {
        self.arguments.contains(pointer) || self.arguments.contains("") || self.reads_whole()
    }

    /// Whether it looks at the argument at `pointer` only where it is a whole number.
    pub fn wants_whole(&self, pointer: &str) -> bool {
        self.whole.contains(pointer) || self.whole.contains("")
    }

    fn reads_whole(&self) -> bool {
        self.context.contains("")
    }
}

/// What each of `all` reads, by id.
pub(super) fn of(all: &[Written]) -> BTreeMap<String, Reads> {
    let of_one = |it: &Written| {
        let mut reads = Reads::default();
        for clause in it.expressions() {
            reads.look(clause);
        }
        (it.id.clone(), reads)
    };
    all.iter().map(of_one).collect()
}

fn within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Reads {
    fn look(&mut self, expression: &Expr) {
        if let Some((root, path)) = path(expression) {
            return self.take(root, &path);
        }
        match expression {
            Expr::HasAttr { expr, attrs } => {
                if let Some((root, mut parts)) = path(expr) {
                    parts.extend(attrs.iter().map(|it| it.as_str()));
                    return self.take(root, &parts);
                }
            }
            Expr::BinaryOp { op: BinaryOp::GetTag | BinaryOp::HasTag, left, right } => {
                self.take_tag(left, right);
            }
            Expr::UnaryOp { op, expr } => self.take_unary(*op, expr),
            Expr::BinaryOp { op: BinaryOp::Offset | BinaryOp::DurationSince, .. } => {
                self.computes_time = true;
            }
            Expr::Literal(Literal::Long(number)) => {
                self.numbers.insert(*number);
            }
            Expr::Literal(Literal::EntityUID(uid))
                if uid.ty.0.id.as_str() == Kind::Scope.name() =>
            {
                self.scopes.insert(uid.eid.to_string());
            }
            _ => {}
        }
        for child in children(expression) {
            self.look(child);
        }
    }

    fn take(&mut self, root: &Var, path: &[&str]) {
        match root {
            Var::Context => {
                if let [INPUT, below @ ..] = path {
                    self.arguments.insert(pointer(below));
                }
                self.context.insert(path.join("."));
            }
            // Which one it is, no request can change.
            Var::Resource => self.resource.extend(path.first().map(|it| (*it).to_owned())),
            Var::Principal | Var::Action => {}
        }
    }

    fn take_tag(&mut self, map: &Expr, key: &Expr) {
        let Some((Var::Context, parts)) = path(map) else { return };
        if ARGUMENTS.contains(&parts.join(".").as_str()) {
            let pointer = match key {
                Expr::Literal(Literal::String(pointer)) => pointer.to_string(),
                _ => String::new(),
            };
            if parts == NUMBERS {
                self.whole.insert(pointer.clone());
            }
            self.arguments.insert(pointer);
        }
    }

    fn take_unary(&mut self, op: UnaryOp, operand: &Expr) {
        match (op, operand) {
            (UnaryOp::Duration, Expr::Literal(Literal::String(text))) => {
                self.durations.extend(milliseconds(text));
            }
            (UnaryOp::Datetime, Expr::Literal(Literal::String(text))) => {
                self.instants.extend(instant(text));
            }
            (UnaryOp::Decimal, Expr::Literal(Literal::String(text))) => {
                self.decimals.insert(text.to_string());
            }
            (UnaryOp::ToDate | UnaryOp::ToTime, _) => self.computes_time = true,
            _ => {}
        }
    }
}

/// `context.session.mfa_age` from its root.
fn path(expression: &Expr) -> Option<(&Var, Vec<&str>)> {
    match expression {
        Expr::Var(root) => Some((root, Vec::new())),
        Expr::GetAttr { expr, attr } => {
            let (root, mut parts) = path(expr)?;
            parts.push(attr.as_str());
            Some((root, parts))
        }
        _ => None,
    }
}

fn pointer(parts: &[&str]) -> String {
    let escaped = |it: &&str| format!("/{}", it.replace('~', "~0").replace('/', "~1"));
    parts.iter().map(escaped).collect()
}

/// A duration as Cedar writes it, `1d2h3m4s5ms`, in milliseconds.
pub fn milliseconds(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit())?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let end = unit.find(|it: char| it.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at_checked(end)?;
        let each = match unit {
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(each)?)?;
        rest = after;
    }
    Some(sign * total)
}

/// Cedar's instants: a date, or a timestamp.
fn instant(text: &str) -> Option<Timestamp> {
    let of_date = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| of_date().map(|it| it.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Bundle;

    fn list(set: &BTreeSet<String>) -> Vec<&str> {
        set.iter().map(String::as_str).collect()
    }

    #[test]
    fn a_policy_is_known_by_what_it_reads() {
        let bundle = Bundle::starter().unwrap();
        let of = |id: &str| bundle.reads(id).unwrap().clone();
        let mfa = of("hitl.user.critical");
        assert_eq!(list(&mfa.context), ["delegation", "session.mfa_age"]);
        assert_eq!(list(&mfa.resource), ["risk"]);
        assert_eq!(mfa.durations, [300_000].into());
        let hours = of("limit.trading-hours");
        assert_eq!(hours.durations, [34_200_000, 57_600_000].into());
        assert!(hours.reads("clock") && hours.reads("clock.world") && !hours.reads("session"));
        assert!(!hours.computes_time);
        let url = of("guard.call.internal-addresses");
        assert_eq!(list(&url.arguments), ["/url"]);
        assert!(url.reads_argument("/url") && !url.reads_argument("/uri"));
        assert_eq!(list(&of("role.translator.scopes").scopes), ["agent:translate"]);
        assert_eq!(of("limit.calls-per-minute").numbers, [100].into());
        assert!(of("registry.view").context.is_empty());
    }

    #[test]
    fn durations_and_instants_are_cedars() {
        assert_eq!(milliseconds("1d2h3m4s5ms"), Some(93_784_005));
        assert_eq!(milliseconds("-90m"), Some(-5_400_000));
        assert_eq!(milliseconds("9 h"), None);
        let midnight: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        assert_eq!(instant("2026-11-22"), Some(midnight));
        assert_eq!(instant("2026-11-22T01:00:00+01:00"), Some(midnight));
        assert_eq!(instant("tomorrow"), None);
    }
}
