//! Rules for policy authors that Cedar's validator does not know.

mod calls;
mod literals;
mod monotone;
mod shadow;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::pst::{BinaryOp, Expr, UnaryOp};
use cedar_policy::{Effect, Entity, EntityUid, Schema};
use jiff::tz::TimeZone;

use super::fault::Severity;
use super::landscape::Landscape;
use super::meta::{Meta, Tier};
use super::syntax::{Written, Zone, zone_read};
use crate::authz::uid::action;

/// A rule that a policy breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) rule: &'static str,
    pub(super) policy: String,
    pub(super) problem: String,
    pub(super) fix: Cow<'static, str>,
    pub(super) severity: Severity,
    /// Where in the policy it is: the first place of these words.
    pub(super) words: Option<String>,
}

impl Finding {
    /// A finding that refuses the bundle.
    fn error(
        rule: &'static str,
        policy: &Written,
        problem: impl Into<String>,
        fix: impl Into<Cow<'static, str>>,
    ) -> Finding {
        Finding {
            rule,
            policy: policy.id.clone(),
            problem: problem.into(),
            fix: fix.into(),
            severity: Severity::Error,
            words: None,
        }
    }

    /// A finding that is told, and refuses nothing.
    fn warning(
        rule: &'static str,
        policy: &Written,
        problem: impl Into<String>,
        fix: impl Into<Cow<'static, str>>,
    ) -> Finding {
        Finding { severity: Severity::Warning, ..Finding::error(rule, policy, problem, fix) }
    }

    /// The same, about these words of the policy.
    fn about(self, words: String) -> Finding {
        Finding { words: Some(words), ..self }
    }
}

/// What is looked at.
pub(super) struct Subject<'a> {
    pub(super) all: &'a [Written],
    pub(super) meta: &'a BTreeMap<String, Meta>,
    pub(super) schema: &'a Schema,
    pub(super) actions: &'a HashMap<EntityUid, Vec<Entity>>,
    pub(super) token_scopes: &'a BTreeSet<String>,
    /// The paths below `context` of declared facts that may only ever take away.
    pub(super) falling: &'a [String],
    /// What policies may speak of, where somebody knows.
    pub(super) landscape: Option<&'a dyn Landscape>,
}

/// Every finding, policy by policy.
pub(super) fn lint(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for policy in subject.all {
        total(policy, &mut findings);
        calls::check(policy, &mut findings);
        literals::check(policy, subject, &mut findings);
        known_zones(policy, &mut findings);
        monotone::check(policy, subject.falling, &mut findings);
        scoped_permit(policy, &mut findings);
        if let Some(meta) = subject.meta.get(&policy.id) {
            root_tier_only(policy, meta, subject, &mut findings);
            explained(policy, meta, &mut findings);
        }
    }
    shadow::check(subject, &mut findings);
    findings
}

/// Nothing in a forbid may fail: Cedar skips a policy that errs, and a decision with an error is a
/// denial that nobody can explain. In a permit it is no danger, and still such a denial.
///
/// Besides these operators nothing fails that strict validation lets through: the words of
/// extension types are literals that it reads, tags and optional attributes are asked for first,
/// and no entity is looked into that a decision does not load.
fn total(policy: &Written, findings: &mut Vec<Finding>) {
    policy.walk(&mut |it| {
        let partial = match it {
            Expr::BinaryOp { op, .. } => matches!(
                op,
                BinaryOp::Add
                    | BinaryOp::Sub
                    | BinaryOp::Mul
                    | BinaryOp::Offset
                    | BinaryOp::DurationSince
            ),
            Expr::UnaryOp { op, .. } => matches!(op, UnaryOp::Neg | UnaryOp::ToDate),
            _ => false,
        };
        let fix = "compare with literals";
        match policy.effect {
            _ if !partial => {}
            Effect::Forbid => {
                let problem =
                    format!("`{it}` can overflow, and a forbid that fails does not forbid");
                findings.push(Finding::error("total-guard-rails", policy, problem, fix));
            }
            Effect::Permit => {
                let problem =
                    format!("`{it}` can overflow, and then all is denied that it is asked about");
                findings.push(Finding::warning("total-permits", policy, problem, fix));
            }
        }
    });
}

/// A zone that does not exist is never told, and a rule about it never holds.
fn known_zones(policy: &Written, findings: &mut Vec<Finding>) {
    policy.walk(&mut |it| {
        let problem = match zone_read(it) {
            None => return,
            Some(Zone::Literal(name)) if TimeZone::get(name).is_ok() => return,
            Some(Zone::Literal(name)) => format!("there is no time zone `{name}`"),
            Some(Zone::Computed(it)) => format!("the time zone `{it}` is not a literal"),
        };
        let fix = "name it as the IANA database does, like `Europe/Berlin`";
        findings.push(Finding::error("unknown-zone", policy, problem, fix));
    });
}

fn scoped_permit(policy: &Written, findings: &mut Vec<Finding>) {
    if policy.effect == Effect::Permit && policy.scope.unlimited {
        let fix = "name a principal, an action or a resource";
        let problem = "permits everything to everybody";
        findings.push(Finding::error("scoped-permit", policy, problem, fix));
    }
}

/// Who may change policies is said in the root tier only.
fn root_tier_only(
    policy: &Written,
    meta: &Meta,
    Subject { schema, actions, .. }: &Subject<'_>,
    findings: &mut Vec<Finding>,
) {
    let govern = action("govern");
    let governs = |it: &EntityUid| {
        actions.get(it).is_some_and(|known| known.iter().any(|it| it.uid() == govern))
    };
    if policy.effect == Effect::Permit
        && meta.tier != Tier::Root
        && schema
            .request_envs()
            .any(|env| governs(env.action()) && policy.scope.admits(&env, actions))
    {
        let fix = "leave `govern` to the root tier";
        let problem = "permits actions that change policies";
        findings.push(Finding::error("root-tier-only", policy, problem, fix));
    }
}

/// Every policy has a title, and a forbid's is a sentence: it is what the denied caller reads.
fn explained(policy: &Written, meta: &Meta, findings: &mut Vec<Finding>) {
    let words = meta.title.split_whitespace().count();
    let least = if policy.effect == Effect::Forbid { 2 } else { 1 };
    if words < least {
        let fix = "say in one sentence what it grants or why it denies";
        findings.push(Finding::error("explained", policy, "has no @title that explains it", fix));
    }
}
