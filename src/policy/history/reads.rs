//! Which facts a policy reads.

use std::collections::BTreeSet;

use cedar_policy::pst::{Clause, Expr};

use super::super::syntax::{Written, children, context_path};
use super::Fact;

const HISTORY: &str = "history";

/// The places in `facts` of those that `policy` reads: all of them, where it takes the record, or
/// the whole context, as one.
pub(super) fn of(policy: &Written, facts: &[Fact]) -> BTreeSet<usize> {
    let mut read = BTreeSet::new();
    let mut seen = |name: Option<&str>| {
        let fits = |it: &Fact| name.is_none_or(|name| it.name == name);
        read.extend(facts.iter().enumerate().filter(|(_, it)| fits(it)).map(|(at, _)| at));
    };
    for Clause::When(it) | Clause::Unless(it) in &policy.clauses {
        find(it, &mut seen);
    }
    read
}

fn find(expression: &Expr, seen: &mut dyn FnMut(Option<&str>)) {
    if let Some(path) = context_path(expression) {
        match path.strip_prefix(HISTORY) {
            Some("") => seen(None),
            Some(below) => below.strip_prefix('.').into_iter().for_each(|it| seen(first(it))),
            None if path.is_empty() => seen(None),
            None => {}
        }
        return;
    }
    if let Expr::HasAttr { expr, attrs } = expression
        && let Some(path) = context_path(expr)
    {
        let asked = std::iter::once(&attrs.head).chain(&attrs.tail);
        let path: Vec<&str> = path
            .split('.')
            .filter(|it| !it.is_empty())
            .chain(asked.map(|it| it.as_str()))
            .collect();
        if let [HISTORY, name, ..] = path.as_slice() {
            seen(Some(name));
        }
        return;
    }
    children(expression).into_iter().for_each(|it| find(it, seen));
}

fn first(path: &str) -> Option<&str> {
    path.split('.').next()
}
