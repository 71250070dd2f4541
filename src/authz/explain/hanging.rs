//! What an answer hangs on that may be otherwise at the next request: the moment, counters, an
//! approval, and the arguments of a call where nobody said them.

use std::collections::BTreeSet;

use cedar_policy::pst::{BinaryOp, Clause, Expr, UnaryOp};
use cedar_policy::{Authorizer, Decision, Effect, EntityUid, EvalResult, Policy, PolicySet};
use schemars::JsonSchema;
use serde::Serialize;

use super::asking::is_about;
use super::conditions::Asked;
use super::place::Places;
use super::{meta, reads};
use crate::authz::case::{Case, Unaskable};
use crate::policy::{Bundle, Meta, Reads};

/// Something that is told of one request, and need not be so at the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "HangsOn")]
pub enum Fact {
    Arguments,
    Time,
    Usage,
    History,
    Approval,
}

/// A policy that an answer hangs on.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "AnswerCondition")]
pub struct Hangs {
    /// Left out, like its title, for whoever may not see the one who is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `forbid`: it must not apply. `permit`: one of these must.
    pub effect: &'static str,
    pub hangs_on: BTreeSet<Fact>,
    /// JSON pointers of the arguments that it looks at.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub arguments: BTreeSet<String>,
    /// What of its conditions is open, as it is written; left out for whoever may not read policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
}

/// What is left of a question when some facts are left open.
#[derive(Clone, Debug, PartialEq)]
pub enum Hanging {
    /// The answer is no, whatever they are, by these policies.
    No(Vec<String>),
    /// It is yes where all of this is as it must be.
    On(Vec<Hangs>),
}

impl Hangs {
    /// Takes away what tells by which policy it is so.
    pub fn hide(&mut self) {
        (self.policy, self.title) = (None, None);
        self.conditions.clear();
    }
}

impl Fact {
    /// What is another at every request, besides the arguments of a call.
    pub const PASSING: [Fact; 4] = [Fact::Time, Fact::Usage, Fact::History, Fact::Approval];
    const ALL: [Fact; 5] =
        [Fact::Arguments, Fact::Time, Fact::Usage, Fact::History, Fact::Approval];

    /// Where it stands below `context`.
    fn paths(self) -> &'static [&'static str] {
        match self {
            Fact::Arguments => &["input", "call.text", "call.number", "call.flag"],
            Fact::Time => &["clock"],
            Fact::Usage => &["usage"],
            Fact::History => &["history"],
            Fact::Approval => &["approval"],
        }
    }

    fn is_read_by(self, reads: &Reads) -> bool {
        self.paths().iter().any(|it| reads.reads(it))
    }
}

/// What the answer of `bundle` to `case` hangs on, were nothing known of `open`.
///
/// # Errors
/// The bundle cannot be asked such a thing.
pub fn hanging(case: &Case, bundle: &Bundle, open: &[Fact]) -> Result<Hanging, Unaskable> {
    let mut on: Vec<Hangs> = Vec::new();
    if case.others.is_none() {
        return Ok(Hanging::No(Vec::new()));
    }
    for principal in case.principals() {
        let asked = match open.contains(&Fact::Arguments) {
            true => case.request_without_input(principal, bundle)?,
            false => case.request_for(principal, bundle)?,
        };
        let asked = Asked { request: asked.0, entities: asked.1 };
        match (Look { case, bundle, open, asked: &asked }).of(principal) {
            Hanging::On(more) => on.extend(more),
            no @ Hanging::No(_) => return Ok(no),
        }
    }
    on.dedup();
    Ok(Hanging::On(on))
}

/// One of those who must be allowed.
struct Look<'a> {
    case: &'a Case,
    bundle: &'a Bundle,
    open: &'a [Fact],
    asked: &'a Asked,
}

impl Look<'_> {
    fn of(&self, principal: &EntityUid) -> Hanging {
        let Some((still, live)) = self.parted(principal) else { return Hanging::No(Vec::new()) };
        let answer =
            Authorizer::new().is_authorized(&self.asked.request, &still, &self.asked.entities);
        let forbidden = answer.decision() == Decision::Deny;
        let reasons: Vec<String> = answer.diagnostics().reason().map(ToString::to_string).collect();
        if answer.diagnostics().errors().next().is_some() || (forbidden && !reasons.is_empty()) {
            return Hanging::No(reasons);
        }
        let mut permitted = !forbidden;
        let (mut permits, mut forbids) = (Vec::new(), Vec::new());
        for policy in &live {
            let is_permit = policy.effect() == Effect::Permit;
            match self.held(policy) {
                Held::Known(false) => {}
                Held::Known(true) if is_permit => permitted = true,
                Held::Known(true) => return Hanging::No(vec![policy.id().to_string()]),
                Held::Failed => return Hanging::No(Vec::new()),
                Held::Open(parts) if is_permit => permits.extend(self.told(policy, &parts)),
                Held::Open(parts) => forbids.extend(self.told(policy, &parts)),
            }
        }
        if permitted {
            return Hanging::On(forbids);
        }
        if permits.is_empty() {
            return Hanging::No(Vec::new());
        }
        permits.extend(forbids);
        Hanging::On(permits)
    }

    /// The policies that look at nothing open; and of those that do, which are about this.
    fn parted(&self, principal: &EntityUid) -> Option<(PolicySet, Vec<Policy>)> {
        let kinds = (principal.type_name(), self.case.resource.type_name());
        let action = self.asked.request.action()?;
        let links = self.case.links_of(principal);
        let mut still = self.bundle.slice_with(kinds.0, action, kinds.1, &links).ok()?;
        let is_live = |it: &&Policy| {
            let reads = reads(self.bundle, self.case, it.id().as_ref());
            reads.is_none_or(|reads| self.open.iter().any(|it| it.is_read_by(reads)))
        };
        let mut live: Vec<Policy> = still.policies().filter(is_live).cloned().collect();
        for it in &live {
            let id = it.id().clone();
            if it.is_static() {
                still.remove_static(id).ok()?
            } else {
                still.unlink(id).ok()?
            };
        }
        live.retain(|it| is_about(it, &self.asked.request, &self.asked.entities));
        live.sort_by(|a, b| a.id().cmp(b.id()));
        Some((still, live))
    }

    fn held(&self, policy: &Policy) -> Held {
        let Ok(written) = policy.to_pst() else { return Held::Failed };
        let mut all = Held::Known(true);
        for clause in written.body().clauses() {
            all = all.and(|| match clause {
                Clause::When(it) => self.held_of("when", it),
                Clause::Unless(it) => self.held_of("unless", it).negated(),
            });
        }
        all
    }

    fn held_of(&self, clause: &'static str, it: &Expr) -> Held {
        let reads = Reads::of(it);
        if !self.open.iter().any(|it| it.is_read_by(&reads)) {
            return match self.asked.eval(it) {
                Some(EvalResult::Bool(it)) => Held::Known(it),
                _ => Held::Failed,
            };
        }
        match it {
            Expr::UnaryOp { op: UnaryOp::Not, expr } => self.held_of(clause, expr).negated(),
            Expr::BinaryOp { op: BinaryOp::And, left, right } => {
                self.held_of(clause, left).and(|| self.held_of(clause, right))
            }
            Expr::BinaryOp { op: BinaryOp::Or, left, right } => {
                let neither = self
                    .held_of(clause, left)
                    .negated()
                    .and(|| self.held_of(clause, right).negated());
                neither.negated()
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => match self.held_of(clause, cond) {
                Held::Known(true) => self.held_of(clause, then_expr),
                Held::Known(false) => self.held_of(clause, else_expr),
                _ => Held::Open(vec![Part { clause, asks: it.clone() }]),
            },
            part => Held::Open(vec![Part { clause, asks: part.clone() }]),
        }
    }

    fn told(&self, policy: &Policy, parts: &[Part]) -> Option<Hangs> {
        let meta = meta(self.bundle, self.case, policy.id().as_ref())?;
        let read: Vec<Reads> = parts.iter().map(|it| Reads::of(&it.asks)).collect();
        let is_read = |fact: &Fact| read.iter().any(|it| fact.is_read_by(it));
        let open = Fact::ALL.into_iter().filter(|it| self.open.contains(it));
        Some(Hangs {
            policy: Some(policy.id().to_string()),
            title: Some(meta.title.clone()),
            effect: if policy.effect() == Effect::Permit { "permit" } else { "forbid" },
            hangs_on: open.filter(is_read).collect(),
            arguments: read.iter().flat_map(|it| it.arguments.iter().cloned()).collect(),
            conditions: written(meta, parts),
        })
    }
}

/// Parts of a policy as its author wrote them.
fn written(meta: &Meta, parts: &[Part]) -> Vec<String> {
    let mut places = Places::of(meta);
    let mut text = |it: &Part| format!("{} {}", it.clause, places.next(&it.asks.to_string()).0);
    parts.iter().map(&mut text).collect()
}

/// A part of a policy's conditions that is open.
struct Part {
    /// `when` or `unless`.
    clause: &'static str,
    asks: Expr,
}

/// Whether something holds while some of what it looks at is open.
enum Held {
    Known(bool),
    /// By these parts of it.
    Open(Vec<Part>),
    Failed,
}

impl Held {
    fn negated(self) -> Held {
        match self {
            Held::Known(it) => Held::Known(!it),
            other => other,
        }
    }

    fn and(self, other: impl FnOnce() -> Held) -> Held {
        match self {
            Held::Known(true) => other(),
            Held::Open(mut parts) => match other() {
                Held::Known(false) => Held::Known(false),
                Held::Open(more) => {
                    parts.extend(more);
                    Held::Open(parts)
                }
                // What is on the left may be what guards it.
                Held::Known(true) | Held::Failed => Held::Open(parts),
            },
            decided => decided,
        }
    }
}
