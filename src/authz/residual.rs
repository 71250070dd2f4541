//! What is left of a decision for the uses of a credential: conditions on the moment and on the
//! arguments, such that whatever they admit Cedar would allow. They may refuse more, never less.
//!
//! Everything else is known when the credential is issued, and stays as it was for as long as it
//! lives: principal and tool, where it was asked from and how well the caller was proven, risk,
//! scopes, counters.

mod moments;

use std::collections::BTreeSet;

use cedar_policy::{
    Authorizer, Decision, Entities, EntityUid, EvalResult, Policy, PrincipalConstraint, Request,
    ResourceConstraint, eval_expression,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::case::Case;
use super::uid;
use crate::policy::Bundle;
use crate::policy::residue::{Comparison, Leaf, Live, Operand, Residue, Tree};

/// What every use of a credential must meet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Residual {
    /// All of them.
    pub conditions: Vec<Condition>,
    /// Why only Gatewright can tell, where it is so.
    pub beyond: Option<String>,
}

/// A condition on a use.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Within one of these: milliseconds since the epoch, the end excluded.
    Within(Vec<(i64, i64)>),
    Has(Operand),
    Is(Operand),
    Number(String, Comparison, i64),
    Text(String, Comparison, String),
    OneOf(String, BTreeSet<String>),
    Begins(String, String),
    Holds(String, String),
    Ends(String, String),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

/// A condition, or an answer that no use can change.
enum Left {
    Known(bool),
    Open(Condition),
    Beyond(String),
}

/// From when to when the credential is good.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    pub from: Timestamp,
    pub until: Timestamp,
}

impl Residual {
    fn beyond(why: impl Into<String>) -> Residual {
        Residual { conditions: Vec::new(), beyond: Some(why.into()) }
    }

    fn and(mut self, other: Residual) -> Residual {
        for it in other.conditions {
            if !self.conditions.contains(&it) {
                self.conditions.push(it);
            }
        }
        self.beyond = self.beyond.or(other.beyond);
        self
    }
}

/// What is left of `issue`, an allowed request for a credential, and of what forbids `call`, the
/// same asker's call of the same tool.
pub fn residual(
    issue: &Case,
    call: &Case,
    bundle: &Bundle,
    home: &TimeZone,
    life: Life,
) -> Residual {
    let mut left = Residual::default();
    for principal in issue.principals() {
        let mut of = |case: &Case, needs: Needs| {
            let desk = Desk { case, principal, bundle, home, life };
            left = std::mem::take(&mut left).and(desk.residual(needs));
        };
        of(issue, Needs::Permit);
        of(call, Needs::NoForbid);
    }
    left
}

/// What the answer must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Permit,
    /// That nothing forbids it.
    NoForbid,
}

/// One question of one principal.
struct Desk<'a> {
    case: &'a Case,
    principal: &'a EntityUid,
    bundle: &'a Bundle,
    home: &'a TimeZone,
    life: Life,
}

impl Desk<'_> {
    fn residual(&self, needs: Needs) -> Residual {
        let (request, entities) = match self.case.live_request_for(self.principal, self.bundle) {
            Ok(it) => it,
            Err(error) => return Residual::beyond(error.to_string()),
        };
        // Arguments that do not fit their types are refused before any policy is asked, and no check
        // of a credential says what fits.
        if self.case.typed_call(self.bundle).is_some() {
            return Residual::beyond("its arguments are held against the types of its tool");
        }
        let granted = match self.granted() {
            Ok(it) => it,
            Err(problem) => return Residual::beyond(problem),
        };
        let principal_type = self.principal.type_name();
        let of_bundle = self.bundle.residue(principal_type, &self.case.action_in(self.bundle));
        let Some(residue) = granted.as_ref().or(of_bundle) else {
            return Residual::beyond("no policy is about such a request");
        };
        let cut = self.bundle.still(residue, self.principal, &entities);
        let still = cut.about(&self.case.resource, &entities);
        let answer = Authorizer::new().is_authorized(&request, still, &entities);
        if let Some(error) = answer.diagnostics().errors().next() {
            return Residual::beyond(error.to_string());
        }
        let allowed = answer.decision() == Decision::Allow;
        if let (false, Some(forbid)) = (allowed, answer.diagnostics().reason().next()) {
            return Residual::beyond(format!("`{forbid}` forbids it"));
        }
        let at = Moment { request: &request, entities: &entities };
        let mut left = self.forbidden(residue, &at);
        if needs == Needs::Permit && !allowed {
            left = left.and(self.permitted(residue, &at));
        }
        left
    }

    /// The residue with grants, where there are any.
    fn granted(&self) -> Result<Option<Residue>, String> {
        if self.case.links.is_empty() {
            return Ok(None);
        }
        let types = (self.principal.type_name(), self.case.resource.type_name());
        let links = self.case.links_of(self.principal);
        let action = self.case.action_in(self.bundle);
        let slice = self.bundle.slice_with(types.0, &action, types.1, &links);
        slice.map(|it| Some(Residue::of(&it))).map_err(|it| it.to_string())
    }

    /// None of the forbids may apply.
    fn forbidden(&self, residue: &Residue, at: &Moment<'_>) -> Residual {
        let mut left = Residual::default();
        for live in residue.live.iter().filter(|it| !it.permits()) {
            match self.applies(live, at) {
                Left::Known(false) => {}
                Left::Known(true) => {
                    return Residual::beyond(format!("`{}` forbids it", live.policy.id()));
                }
                Left::Open(it) => left.conditions.push(not(it)),
                Left::Beyond(why) => {
                    return Residual::beyond(format!("`{}`: {why}", live.policy.id()));
                }
            }
        }
        left
    }

    /// One of the permits must. One that cannot be said admits nothing.
    fn permitted(&self, residue: &Residue, at: &Moment<'_>) -> Residual {
        let mut any = Vec::new();
        for live in residue.live.iter().filter(|it| it.permits()) {
            match self.applies(live, at) {
                Left::Known(true) => return Residual::default(),
                Left::Open(it) => any.push(it),
                Left::Known(false) | Left::Beyond(_) => {}
            }
        }
        match any.is_empty() {
            true => Residual::beyond("what permits it can only be told at the moment of use"),
            false => Residual { conditions: vec![one_or(any, Condition::Any)], beyond: None },
        }
    }

    fn applies(&self, live: &Live, at: &Moment<'_>) -> Left {
        match in_scope(&live.policy, at) {
            Some(true) => self.left(&live.tree, at),
            Some(false) => Left::Known(false),
            None => Left::Beyond("its scope cannot be told".to_owned()),
        }
    }

    fn left(&self, tree: &Tree, at: &Moment<'_>) -> Left {
        match tree {
            Tree::Frozen(it) => match eval_expression(at.request, at.entities, it) {
                Ok(EvalResult::Bool(it)) => Left::Known(it),
                Ok(_) => Left::Beyond("a condition that is neither true nor false".to_owned()),
                Err(error) => Left::Beyond(error.to_string()),
            },
            Tree::Timed(it) => self.within(it, at),
            Tree::Leaf(it) => of_leaf(it, at),
            Tree::Not(it) => match self.left(it, at) {
                Left::Known(it) => Left::Known(!it),
                Left::Open(it) => Left::Open(not(it)),
                beyond @ Left::Beyond(_) => beyond,
            },
            // The right side counts only where the left one holds: it may be what guards it.
            Tree::And(a, b) => match self.left(a, at) {
                Left::Known(true) => self.left(b, at),
                Left::Open(a) => match self.left(b, at) {
                    Left::Known(true) => Left::Open(a),
                    Left::Open(b) => Left::Open(Condition::All(vec![a, b])),
                    other => other,
                },
                other => other,
            },
            Tree::Or(a, b) => match self.left(a, at) {
                Left::Known(false) => self.left(b, at),
                Left::Open(a) => match self.left(b, at) {
                    Left::Known(false) => Left::Open(a),
                    Left::Open(b) => Left::Open(Condition::Any(vec![a, b])),
                    other => other,
                },
                other => other,
            },
            Tree::If(condition, then, otherwise) => match self.left(condition, at) {
                Left::Known(true) => self.left(then, at),
                Left::Known(false) => self.left(otherwise, at),
                Left::Open(it) => self.either(it, then, otherwise, at),
                beyond @ Left::Beyond(_) => beyond,
            },
            Tree::Beyond(why) => Left::Beyond(why.clone()),
        }
    }

    fn either(&self, when: Condition, then: &Tree, otherwise: &Tree, at: &Moment<'_>) -> Left {
        let under = |when: Condition, left: Left| match left {
            Left::Known(true) => Ok(Some(when)),
            Left::Known(false) => Ok(None),
            Left::Open(it) => Ok(Some(Condition::All(vec![when, it]))),
            Left::Beyond(why) => Err(why),
        };
        let one = under(when.clone(), self.left(then, at));
        let other = under(not(when), self.left(otherwise, at));
        match (one, other) {
            (Err(why), _) | (_, Err(why)) => Left::Beyond(why),
            (Ok(None), Ok(None)) => Left::Known(false),
            (Ok(Some(it)), Ok(None)) | (Ok(None), Ok(Some(it))) => Left::Open(it),
            (Ok(Some(a)), Ok(Some(b))) => Left::Open(Condition::Any(vec![a, b])),
        }
    }
}

/// The question as it stood at issue.
struct Moment<'a> {
    request: &'a Request,
    entities: &'a Entities,
}

fn of_leaf(leaf: &Leaf, at: &Moment<'_>) -> Left {
    let known = |it| eval_expression(at.request, at.entities, it).ok();
    let beyond = || Left::Beyond("an argument is compared with what has no name".to_owned());
    Left::Open(match leaf {
        Leaf::Has(it) => Condition::Has(it.clone()),
        Leaf::Is(it) => Condition::Is(it.clone()),
        Leaf::Compares(operand, how, with) => match (operand, known(with)) {
            (Operand::Number(at), Some(EvalResult::Long(it))) => {
                Condition::Number(at.clone(), *how, it)
            }
            (Operand::Text(at), Some(EvalResult::String(it)))
                if matches!(how, Comparison::Equal | Comparison::NotEqual) =>
            {
                Condition::Text(at.clone(), *how, it)
            }
            _ => return beyond(),
        },
        Leaf::OneOf(Operand::Text(at), of) => {
            let Some(EvalResult::Set(set)) = known(of) else { return beyond() };
            let texts = set.iter().map(|it| match it {
                EvalResult::String(it) => Some(it.clone()),
                _ => None,
            });
            match texts.collect::<Option<_>>() {
                Some(texts) => Condition::OneOf(at.clone(), texts),
                None => return beyond(),
            }
        }
        Leaf::OneOf(..) => return beyond(),
        Leaf::Like { operand: Operand::Text(at), begin, hold, end } => {
            let at = || at.clone();
            match (hold, begin.as_str(), end.as_str()) {
                (Some(it), _, _) => Condition::Holds(at(), it.clone()),
                (None, "", "") => Condition::Has(Operand::Text(at())),
                (None, it, "") => Condition::Begins(at(), it.to_owned()),
                (None, _, it) => Condition::Ends(at(), it.to_owned()),
            }
        }
        Leaf::Like { .. } => return beyond(),
    })
}

fn not(it: Condition) -> Condition {
    match it {
        Condition::Not(it) => *it,
        other => Condition::Not(Box::new(other)),
    }
}

fn one_or(mut several: Vec<Condition>, all: fn(Vec<Condition>) -> Condition) -> Condition {
    match (several.len(), several.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            several.push(last);
            all(several)
        }
        (_, None) => all(several),
    }
}

/// Whether principal and resource are in the scope of `policy`; its action is, or it would not be
/// asked. None where they are not known.
fn in_scope(policy: &Policy, at: &Moment<'_>) -> Option<bool> {
    let (principal, resource) = (at.request.principal()?, at.request.resource()?);
    let is_in = |it: &EntityUid, of: &EntityUid| it == of || at.entities.is_ancestor_of(of, it);
    let who = match policy.principal_constraint() {
        PrincipalConstraint::Any => true,
        PrincipalConstraint::Is(name) => *principal.type_name() == name,
        PrincipalConstraint::Eq(it) => *principal == it,
        PrincipalConstraint::In(it) => is_in(principal, &it),
        PrincipalConstraint::IsIn(name, it) => {
            *principal.type_name() == name && is_in(principal, &it)
        }
    };
    let what = match policy.resource_constraint() {
        ResourceConstraint::Any => true,
        ResourceConstraint::Is(name) => *resource.type_name() == name,
        ResourceConstraint::Eq(it) => *resource == it,
        ResourceConstraint::In(it) => is_in(resource, &it),
        ResourceConstraint::IsIn(name, it) => *resource.type_name() == name && is_in(resource, &it),
    };
    Some(who && what)
}

/// The action under which the calls of a tool are decided.
pub fn call_action() -> EntityUid {
    uid::action("invoke")
}
