//! Walking the syntax tree of policies.

use std::collections::{BTreeSet, HashMap};

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, PstConstructionError, Var};
use cedar_policy::{Effect, Entity, EntityId, EntityTypeName, EntityUid, Policy, PolicySet};

use super::slice::Scope;
use crate::authz::uid::{self, Kind};

/// A policy or template as the rules for authors look at it.
pub(super) struct Written {
    pub(super) id: String,
    pub(super) effect: Effect,
    pub(super) scope: Scope,
    pub(super) clauses: Vec<Clause>,
    /// Every entity that it names, scope included; once each, in order.
    pub(super) literals: Vec<EntityUid>,
}

/// Every policy and template of `set`, by id.
pub(super) fn written(set: &PolicySet) -> Result<Vec<Written>, PstConstructionError> {
    let mut all = Vec::new();
    for it in set.policies() {
        all.push(Written {
            id: it.id().to_string(),
            effect: it.effect(),
            scope: Scope::of_policy(it),
            clauses: it.to_pst()?.body().clauses().clone(),
            literals: once(it.entity_literals()),
        });
    }
    for it in set.templates() {
        let (scope, clauses) = (Scope::of_template(it), it.to_pst()?.clauses().clone());
        let mut literals = scope.literals();
        for Clause::When(it) | Clause::Unless(it) in &clauses {
            walk(it, &mut |it| literals.extend(literal(it)));
        }
        let (id, effect) = (it.id().to_string(), it.effect());
        all.push(Written { id, effect, scope, clauses, literals: once(literals) });
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(all)
}

fn once(mut literals: Vec<EntityUid>) -> Vec<EntityUid> {
    literals.sort_unstable();
    literals.dedup();
    literals
}

/// The entity that an expression names.
pub(super) fn literal(expression: &Expr) -> Option<EntityUid> {
    let Expr::Literal(Literal::EntityUID(it)) = expression else { return None };
    let name = it.ty.to_string().parse::<EntityTypeName>().ok()?;
    Some(EntityUid::from_type_name_and_id(name, EntityId::new(&it.eid)))
}

impl Written {
    /// Calls `seen` for every expression of every clause.
    pub(super) fn walk<'a>(&'a self, seen: &mut dyn FnMut(&'a Expr)) {
        for clause in self.expressions() {
            walk(clause, seen);
        }
    }

    /// What each of its clauses asks.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expr> {
        self.clauses.iter().map(|clause| match clause {
            Clause::When(it) | Clause::Unless(it) => &**it,
        })
    }
}

/// Calls `seen` for `expression` and everything below it.
pub(super) fn walk<'a>(expression: &'a Expr, seen: &mut dyn FnMut(&'a Expr)) {
    seen(expression);
    for child in children(expression) {
        walk(child, seen);
    }
}

/// What an expression is made of.
pub fn children(expression: &Expr) -> Vec<&Expr> {
    match expression {
        Expr::UnaryOp { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. } => vec![expr],
        Expr::Is { expr, in_expr, .. } => in_expr.iter().map(|it| &**it).chain([&**expr]).collect(),
        Expr::BinaryOp { left, right, .. } => vec![left, right],
        Expr::IfThenElse { cond, then_expr, else_expr } => vec![cond, then_expr, else_expr],
        Expr::Set(items) => items.iter().map(|it| &**it).collect(),
        Expr::Record(fields) => fields.values().map(|it| &**it).collect(),
        _ => Vec::new(),
    }
}

/// `context.usage.calls_today` as `usage.calls_today`; `context` itself is the empty path.
pub(super) fn context_path(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Var(Var::Context) => Some(String::new()),
        Expr::GetAttr { expr, attr } => context_path(expr)
            .map(|it| if it.is_empty() { attr.to_string() } else { format!("{it}.{attr}") }),
        _ => None,
    }
}

/// Whether the first thing that `policy` asks is if the context has `attribute`: without it, the
/// policy can neither apply nor fail.
pub(super) fn first_asks_for(policy: &Policy, attribute: &str) -> bool {
    fn asks(expression: &Expr, attribute: &str) -> bool {
        match expression {
            Expr::BinaryOp { op: BinaryOp::And, left, .. } => asks(left, attribute),
            Expr::HasAttr { expr, attrs } => {
                matches!(**expr, Expr::Var(Var::Context)) && attrs.head == attribute
            }
            _ => false,
        }
    }
    policy.to_pst().is_ok_and(|it| {
        let first = it.body().clauses().first();
        matches!(first, Some(Clause::When(first)) if asks(first, attribute))
    })
}

/// How a zone of the world clock is named in a policy.
pub(super) enum Zone<'a> {
    Literal(&'a str),
    /// By an expression: nobody can tell beforehand which zone to read.
    Computed(&'a Expr),
}

/// The zone that `expression` reads, if it reads one.
pub(super) fn zone_read(expression: &Expr) -> Option<Zone<'_>> {
    let Expr::BinaryOp { op: BinaryOp::GetTag | BinaryOp::HasTag, left, right } = expression else {
        return None;
    };
    if context_path(left).as_deref() != Some("clock.world") {
        return None;
    }
    Some(match &**right {
        Expr::Literal(Literal::String(name)) => Zone::Literal(name),
        other => Zone::Computed(other),
    })
}

/// The zones that policies read: exactly these must be in `context.clock.world`.
pub(super) fn zones(all: &[Written]) -> Vec<String> {
    let mut zones = BTreeSet::new();
    for it in all {
        it.walk(&mut |expression| {
            if let Some(Zone::Literal(name)) = zone_read(expression) {
                zones.insert(name.to_owned());
            }
        });
    }
    zones.into_iter().collect()
}

/// The scopes that policies about `hold_scope` name: what a token could be asked to carry.
pub(super) fn token_scopes(
    set: &PolicySet,
    actions: &HashMap<EntityUid, Vec<Entity>>,
) -> BTreeSet<String> {
    let hold_scope = uid::action("hold_scope");
    set.policies()
        .filter(|it| Scope::of_policy(it).admits_action(&hold_scope, actions))
        .flat_map(Policy::entity_literals)
        .filter(|it| it.type_name() == Kind::Scope.type_name())
        .map(|it| it.id().unescaped().to_owned())
        .collect()
}
