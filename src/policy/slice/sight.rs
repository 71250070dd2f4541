//! What policies can tell resources apart by: as long as they look at nothing but what a resource
//! has and is in, they say the same of two that are alike in that.

use std::collections::HashSet;

use cedar_policy::pst::{BinaryOp, Clause, Expr, Var};
use cedar_policy::{EntityUid, Policy};

use super::super::syntax::children;

/// How resources are told apart.
#[derive(Clone, Debug)]
pub enum Sight {
    /// By what they have and are in, these aside, which are named.
    Alike(HashSet<EntityUid>),
    /// Each may be another case.
    Each,
}

impl Sight {
    /// `end` is what the scope wants the resource to be, or to be in, slots filled.
    pub(super) fn of(policy: &Policy, end: Option<EntityUid>) -> Sight {
        let Ok(written) = policy.to_pst() else { return Sight::Each };
        let mut clauses = written.body().clauses().iter().map(|it| match it {
            Clause::When(it) | Clause::Unless(it) => it,
        });
        match clauses.any(|it| tells_apart(it)) {
            true => Sight::Each,
            false => Sight::Alike(policy.entity_literals().into_iter().chain(end).collect()),
        }
    }

    pub(super) fn of_all<'a>(several: impl Iterator<Item = &'a Sight>) -> Sight {
        let mut named = HashSet::new();
        for it in several {
            match it {
                Sight::Alike(them) => named.extend(them.iter().cloned()),
                Sight::Each => return Sight::Each,
            }
        }
        Sight::Alike(named)
    }

    /// Whether what is said of `resource` holds for all that are like it.
    pub fn takes_for_others(&self, resource: &EntityUid) -> bool {
        match self {
            Sight::Alike(named) => !named.contains(resource),
            Sight::Each => false,
        }
    }
}

/// Whether `it` may depend on which resource it is. What is not known to be harmless may.
fn tells_apart(it: &Expr) -> bool {
    match it {
        Expr::GetAttr { expr, .. } | Expr::HasAttr { expr, .. } if is_resource(expr) => false,
        Expr::Is { expr, in_expr, .. } if is_resource(expr) => {
            in_expr.as_ref().is_some_and(|it| !is_constant(it))
        }
        Expr::BinaryOp { op: BinaryOp::Eq | BinaryOp::NotEq, left, right } => {
            let harmless = (is_resource(left) && is_constant(right))
                || (is_constant(left) && is_resource(right));
            !harmless && (tells_apart(left) || tells_apart(right))
        }
        Expr::BinaryOp { op: BinaryOp::In, left, right } if is_resource(left) => {
            !is_constant(right)
        }
        Expr::BinaryOp { op: BinaryOp::Contains, left, right } if is_resource(right) => {
            !is_constant(left)
        }
        Expr::Literal(_) => false,
        Expr::Var(it) => *it == Var::Resource,
        Expr::UnaryOp { .. }
        | Expr::BinaryOp { .. }
        | Expr::GetAttr { .. }
        | Expr::HasAttr { .. }
        | Expr::Like { .. }
        | Expr::Is { .. }
        | Expr::IfThenElse { .. }
        | Expr::Set(_)
        | Expr::Record(_) => children(it).into_iter().any(tells_apart),
        _ => true,
    }
}

fn is_resource(it: &Expr) -> bool {
    matches!(it, Expr::Var(Var::Resource))
}

fn is_constant(it: &Expr) -> bool {
    match it {
        Expr::Literal(_) => true,
        Expr::Set(items) => items.iter().all(|it| is_constant(it)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::uid::{Kind, uid};

    fn sight(condition: &str) -> Sight {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        Sight::of(&text.parse().unwrap(), None)
    }

    #[test]
    fn what_a_resource_has_and_is_in_is_shared_by_others() {
        let calc = uid(Kind::Tool, "calc");
        for condition in [
            "true",
            "principal.owner == context.user",
            "resource.owner == principal",
            "resource has server && resource.server.name like \"a*\"",
            "resource in Gatewright::ToolSet::\"maths\"",
            "resource in [Gatewright::ToolSet::\"maths\", Gatewright::ToolSet::\"more\"]",
            "resource is Gatewright::Tool in Gatewright::ToolSet::\"maths\"",
            "resource == Gatewright::Tool::\"other\"",
            "Gatewright::Tool::\"other\" != resource",
            "[Gatewright::Tool::\"other\"].contains(resource)",
        ] {
            assert!(sight(condition).takes_for_others(&calc), "{condition}");
        }
    }

    #[test]
    fn who_is_named_is_a_case_of_its_own() {
        let calc = uid(Kind::Tool, "calc");
        for condition in [
            "resource == Gatewright::Tool::\"calc\"",
            "[Gatewright::Tool::\"calc\"].contains(resource)",
            "principal in resource",
            "principal == resource",
            "resource in context.mandate.tools",
            "context.tools.contains(resource)",
            "[resource].contains(principal)",
            "{ it: resource }.it.owner == principal",
            "(if true then resource else principal).owner == principal",
            "resource.hasTag(\"a\")",
            "[resource.owner, resource].contains(principal)",
        ] {
            assert!(!sight(condition).takes_for_others(&calc), "{condition}");
        }
        let named = "permit (principal, action, resource);".parse().unwrap();
        assert!(!Sight::of(&named, Some(calc.clone())).takes_for_others(&calc));
    }
}
