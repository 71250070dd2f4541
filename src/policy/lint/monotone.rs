//! The rule that a larger counter or a longer lifetime never turns a denial into an allow.
//!
//! The largest lifetime and the limits in response headers are found by bisection, which is exact
//! only for such policies. Of what happened before, the counts that include the request itself and
//! those that are not decided yet are held to it as well: a lower bound on them would be met by
//! asking often enough. Counts of what has ended, well or badly, can stand on either side.

use cedar_policy::Effect;
use cedar_policy::pst::{BinaryOp, Clause, Expr, UnaryOp};

use super::super::syntax::{Written, children, context_path};
use super::Finding;

/// The facts that may only ever take away.
const FALLING: [&str; 5] = [
    "ask.ttl",
    "usage.calls_last_minute",
    "usage.calls_today",
    "usage.cost_today",
    "usage.failures_last_hour",
];

/// Where the search begins: a lower bound of this much changes nothing.
const SHORTEST_TTL: &str = "duration(\"1s\")";

pub(super) fn check(policy: &Written, declared: &[String], findings: &mut Vec<Finding>) {
    for clause in &policy.clauses {
        let (expression, negated) = match clause {
            Clause::When(it) => (it, false),
            Clause::Unless(it) => (it, true),
        };
        // Whether what is written here helps to deny.
        let against = negated ^ (policy.effect == Effect::Forbid);
        for fact in FALLING.into_iter().chain(declared.iter().map(String::as_str)) {
            rising(expression, against, fact, &mut |it| {
                let problem = format!("`{it}` may let a larger `context.{fact}` allow more");
                let fix = match fact.starts_with("history.") {
                    true => "set an upper bound instead, or count those that have an `outcome`",
                    false => "set an upper bound instead",
                };
                findings.push(Finding::error("monotone", policy, problem, fix));
            });
        }
    }
}

/// Calls `bad` with each part of `expression` in which a larger `fact` could help to allow.
/// `against` is true where the expression's truth denies.
fn rising<'a>(expression: &'a Expr, against: bool, fact: &str, bad: &mut dyn FnMut(&'a Expr)) {
    match expression {
        Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => {
            rising(left, against, fact, bad);
            rising(right, against, fact, bad);
        }
        Expr::UnaryOp { op: UnaryOp::Not, expr } => rising(expr, !against, fact, bad),
        Expr::BinaryOp { op, left, right } if grows(left, fact) && !mentions(right, fact) => {
            let bound = if against { lower(*op) } else { upper(*op) };
            if !bound {
                bad(expression);
            }
        }
        Expr::BinaryOp { op, left, right } if grows(right, fact) && !mentions(left, fact) => {
            let bound = if against { upper(*op) } else { lower(*op) };
            let harmless =
                !against && upper(*op) && is(right, fact) && left.to_string() == SHORTEST_TTL;
            if !bound && !harmless {
                bad(expression);
            }
        }
        other if mentions(other, fact) => bad(other),
        _ => {}
    }
}

fn upper(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Less | BinaryOp::LessEq | BinaryOp::DecimalLessThan | BinaryOp::DecimalLessEq
    )
}

fn lower(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Greater
            | BinaryOp::GreaterEq
            | BinaryOp::DecimalGreater
            | BinaryOp::DecimalGreaterEq
    )
}

/// Whether this is the fact, or the fact with something added or taken away that is another's: it
/// is larger where the fact is.
fn grows(expression: &Expr, fact: &str) -> bool {
    match expression {
        Expr::BinaryOp { op: BinaryOp::Add, left, right } => {
            (grows(left, fact) && !mentions(right, fact))
                || (grows(right, fact) && !mentions(left, fact))
        }
        Expr::BinaryOp { op: BinaryOp::Sub, left, right } => {
            grows(left, fact) && !mentions(right, fact)
        }
        other => is(other, fact),
    }
}

fn is(expression: &Expr, fact: &str) -> bool {
    context_path(expression).as_deref() == Some(fact)
}

/// Whether `fact` is used: by itself, or within a record that is used as a whole.
fn mentions(expression: &Expr, fact: &str) -> bool {
    match (context_path(expression), expression) {
        (Some(path), _) => path.is_empty() || path == fact || fact.starts_with(&format!("{path}.")),
        (None, Expr::HasAttr { expr, .. }) if context_path(expr).is_some() => false,
        _ => children(expression).into_iter().any(|it| mentions(it, fact)),
    }
}
