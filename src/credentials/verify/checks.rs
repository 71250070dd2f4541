//! What a check is about, told from its shape, so that a failed one becomes the right refusal.

use std::collections::BTreeSet;

use biscuit_auth::format::schema::{
    Check, Expression, Predicate, Rule, Term, check, op, op_binary, term,
};

use super::blocks::Block;
use super::refusal::Reason;

/// The date of an expiry check, in seconds since 1970: `check if time($t), $t < date`, also with
/// `<=`. `None` for any other check, and for one that trusts facts from outside the chain.
pub(crate) fn expiry(block: Block<'_>, check: &Check) -> Option<u64> {
    let [query] = check.queries.as_slice() else { return None };
    let refuses = check.kind == Some(check::Kind::Reject as i32);
    if refuses || !query.scope.is_empty() || !block.content.scope.is_empty() {
        return None;
    }
    let [time] = query.body.as_slice() else { return None };
    let ("time", [instant]) = block.named(time) else { return None };
    let Some(term::Content::Variable(instant)) = instant.content else { return None };
    query.expressions.iter().filter_map(|it| before(it, instant)).min()
}

/// `$variable < date` or `$variable <= date`.
fn before(expression: &Expression, variable: u32) -> Option<u64> {
    let [left, right, comparison] = expression.ops.as_slice() else { return None };
    let (
        Some(op::Content::Value(left)),
        Some(op::Content::Value(right)),
        Some(op::Content::Binary(comparison)),
    ) = (&left.content, &right.content, &comparison.content)
    else {
        return None;
    };
    let earlier = [op_binary::Kind::LessThan as i32, op_binary::Kind::LessOrEqual as i32];
    match (&left.content, &right.content) {
        (Some(term::Content::Variable(it)), Some(term::Content::Date(date)))
            if *it == variable && earlier.contains(&comparison.kind) =>
        {
            Some(*date)
        }
        _ => None,
    }
}

/// The reason to give when this check fails for a call of `tool`.
pub(crate) fn subject(block: Block<'_>, check: &Check, tool: &str) -> Reason {
    let asks = |name: &str| check.queries.iter().any(|it| mentions(block, it, name));
    if asks("time") {
        Reason::Expired
    } else if asks("request") {
        let possible = check.queries.iter().any(|it| fits_tool(block, it, tool));
        if possible { Reason::Scope } else { Reason::WrongTool }
    } else if asks("holder_proved") {
        Reason::Holder
    } else if asks("ctx") {
        Reason::Argument
    } else {
        Reason::Check
    }
}

/// Which of the granted scopes a check lets through.
pub(crate) enum Scopes<'a> {
    All,
    Only(BTreeSet<&'a str>),
    /// More than its shape tells: it has to be run.
    Unclear,
}

/// Reads the forms that the issuer and `attenuate` write. `tool` is the one that is called.
pub(crate) fn scopes<'a>(block: Block<'a>, check: &'a Check, tool: &str) -> Scopes<'a> {
    if !check.queries.iter().any(|it| mentions(block, it, "request")) {
        return Scopes::All;
    }
    if check.kind.is_some_and(|it| it != check::Kind::One as i32) {
        return Scopes::Unclear;
    }
    let mut only = BTreeSet::new();
    for query in &check.queries {
        if !query.expressions.is_empty() || !query.scope.is_empty() {
            return Scopes::Unclear;
        }
        match query.body.as_slice() {
            [asked] if fits_tool(block, query, tool) => match asked.terms.as_slice() {
                [_, scope] if block.text(scope).is_some() => only.extend(block.text(scope)),
                _ => return Scopes::Unclear,
            },
            [_] => {}
            [asked, granted] if is_granted(block, asked, granted) => return Scopes::All,
            _ => return Scopes::Unclear,
        }
    }
    Scopes::Only(only)
}

/// `request($tool, $scope), right($tool, $scope)`.
fn is_granted(block: Block<'_>, asked: &Predicate, granted: &Predicate) -> bool {
    let names = (block.named(asked).0, block.named(granted).0);
    let free = |it: &Term| matches!(it.content, Some(term::Content::Variable(_)));
    names == ("request", "right") && asked.terms == granted.terms && asked.terms.iter().all(free)
}

fn mentions(block: Block<'_>, query: &Rule, name: &str) -> bool {
    query.body.iter().any(|it| block.named(it).0 == name)
}

/// Whether no `request` of this query insists on another tool.
fn fits_tool(block: Block<'_>, query: &Rule, tool: &str) -> bool {
    query.body.iter().all(|it| match block.named(it) {
        ("request", [named, _]) => block.text(named).is_none_or(|it| it == tool),
        _ => true,
    })
}
