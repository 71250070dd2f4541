//! A policy taken apart: the conditions that all must hold for it to match, and what they read.

use cedar_policy::pst::{BinaryOp, Clause, Expr, UnaryOp};
use cedar_policy::{
    Authorizer, Effect, Entities, EvalResult, Expression, Policy, PolicyId, PolicySet,
    PrincipalConstraint, Request, ResourceConstraint, eval_expression,
};

use super::super::links::unlinked;
use super::reads::Reads;

/// A policy as the search uses it.
#[derive(Debug)]
pub(in crate::policy) struct Rule {
    pub(super) id: String,
    pub(super) effect: Effect,
    pub(super) conditions: Vec<Condition>,
    pub(in crate::policy) reads: Reads,
    alone: PolicySet,
}

/// One of the things that must be true.
#[derive(Debug)]
pub(super) struct Condition {
    expression: Expression,
    pub(super) reads: Reads,
    /// What makes it untrue, when all of it holds; in Cedar.
    pub(super) otherwise: Vec<String>,
}

impl Rule {
    /// None for what Cedar cannot show as a tree.
    pub(in crate::policy) fn of(policy: &Policy) -> Option<Rule> {
        let mut parts = scope(policy);
        let tree = policy.to_pst().ok()?;
        for clause in tree.body().clauses() {
            match clause {
                Clause::When(it) => split(it, Truth::Wanted, &mut parts),
                Clause::Unless(it) => split(it, Truth::Unwanted, &mut parts),
            }
        }
        let conditions = Condition::parse_all(&parts)?;
        let reads = conditions.iter().fold(Reads::default(), |all, it| all.and(&it.reads));
        Some(Rule {
            id: policy.id().to_string(),
            effect: policy.effect(),
            conditions,
            reads,
            alone: PolicySet::from_policies([unlinked(policy).ok()?]).ok()?,
        })
    }

    /// Whether the policy, by itself, applies.
    pub(in crate::policy) fn matches(&self, (request, entities): &(Request, Entities)) -> bool {
        let response = Authorizer::new().is_authorized(request, &self.alone, entities);
        response.diagnostics().reason().next().is_some()
    }
}

/// What `policies` read together.
#[cfg(feature = "prove")]
pub(in crate::policy) fn reads_of<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Reads {
    let rules = policies.into_iter().filter_map(Rule::of);
    rules.fold(Reads::default(), |all, it| all.and(&it.reads))
}

impl Condition {
    /// The condition that `text` writes in Cedar.
    pub(super) fn parse(text: &str) -> Option<Condition> {
        let policy = format!("permit (principal, action, resource) when {{ {text} }};");
        let tree = Policy::parse(Some(PolicyId::new("condition")), policy).ok()?.to_pst().ok()?;
        let mut otherwise = Vec::new();
        let mut reads = Reads::default();
        for Clause::When(it) | Clause::Unless(it) in tree.body().clauses() {
            split(it, Truth::Unwanted, &mut otherwise);
            reads = reads.and(&Reads::of([&**it]));
        }
        Some(Condition { expression: text.parse().ok()?, reads, otherwise })
    }

    /// Every one of `texts`, or none.
    pub(super) fn parse_all(texts: &[String]) -> Option<Vec<Condition>> {
        texts.iter().map(|it| Condition::parse(it)).collect()
    }

    pub(super) fn holds(&self, (request, entities): &(Request, Entities)) -> bool {
        let read = eval_expression(request, entities, &self.expression);
        matches!(read, Ok(EvalResult::Bool(true)))
    }
}

/// What the scope asks beyond types and actions.
fn scope(policy: &Policy) -> Vec<String> {
    let principal = match policy.principal_constraint() {
        PrincipalConstraint::Eq(it) => Some(format!("principal == {it}")),
        PrincipalConstraint::In(it) | PrincipalConstraint::IsIn(_, it) => {
            Some(format!("principal in {it}"))
        }
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
    };
    let resource = match policy.resource_constraint() {
        ResourceConstraint::Eq(it) => Some(format!("resource == {it}")),
        ResourceConstraint::In(it) | ResourceConstraint::IsIn(_, it) => {
            Some(format!("resource in {it}"))
        }
        ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
    };
    principal.into_iter().chain(resource).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
    Wanted,
    Unwanted,
}

impl Truth {
    fn flipped(self) -> Truth {
        match self {
            Truth::Wanted => Truth::Unwanted,
            Truth::Unwanted => Truth::Wanted,
        }
    }
}

fn split(expression: &Expr, truth: Truth, parts: &mut Vec<String>) {
    match (expression, truth) {
        (Expr::BinaryOp { op: BinaryOp::And, left, right }, Truth::Wanted)
        | (Expr::BinaryOp { op: BinaryOp::Or, left, right }, Truth::Unwanted) => {
            split(left, truth, parts);
            split(right, truth, parts);
        }
        (Expr::UnaryOp { op: UnaryOp::Not, expr }, _) => split(expr, truth.flipped(), parts),
        (other, Truth::Wanted) => parts.push(other.to_string()),
        (other, Truth::Unwanted) => parts.push(format!("!({other})")),
    }
}
