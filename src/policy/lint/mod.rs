//! Rules for policy authors that Cedar's validator does not know.

mod monotone;

use std::collections::{BTreeMap, HashMap};

use cedar_policy::pst::{BinaryOp, Expr, UnaryOp};
use cedar_policy::{Effect, Entity, EntityUid, Schema};
use jiff::tz::TimeZone;

use super::meta::{Meta, Tier};
use super::syntax::{Written, Zone, zone_read};
use crate::authz::uid::action;

/// A rule that a policy breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) rule: &'static str,
    pub(super) policy: String,
    pub(super) problem: String,
    pub(super) fix: &'static str,
}

/// Every finding in `all`, policy by policy. `falling` are the paths below `context` of declared
/// facts that may only ever take away.
pub(super) fn lint(
    all: &[Written],
    meta: &BTreeMap<String, Meta>,
    schema: &Schema,
    actions: &HashMap<EntityUid, Vec<Entity>>,
    falling: &[String],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for policy in all {
        total_guard_rails(policy, &mut findings);
        known_zones(policy, &mut findings);
        monotone::check(policy, falling, &mut findings);
        scoped_permit(policy, &mut findings);
        if let Some(meta) = meta.get(&policy.id) {
            root_tier_only(policy, meta, schema, actions, &mut findings);
            explained(policy, meta, &mut findings);
        }
    }
    findings
}

/// Nothing in a forbid may overflow: Cedar skips a policy that errs, and a decision with an error
/// is a denial that nobody can explain.
fn total_guard_rails(policy: &Written, findings: &mut Vec<Finding>) {
    if policy.effect != Effect::Forbid {
        return;
    }
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
        if partial {
            findings.push(Finding {
                rule: "total-guard-rails",
                policy: policy.id.clone(),
                problem: format!("`{it}` can overflow, and a forbid that fails does not forbid"),
                fix: "compare with literals",
            });
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
        findings.push(Finding {
            rule: "unknown-zone",
            policy: policy.id.clone(),
            problem,
            fix: "name it as the IANA database does, like `Europe/Berlin`",
        });
    });
}

fn scoped_permit(policy: &Written, findings: &mut Vec<Finding>) {
    if policy.effect == Effect::Permit && policy.scope.unlimited {
        findings.push(Finding {
            rule: "scoped-permit",
            policy: policy.id.clone(),
            problem: "permits everything to everybody".to_owned(),
            fix: "name a principal, an action or a resource",
        });
    }
}

/// Who may change policies is said in the root tier only.
fn root_tier_only(
    policy: &Written,
    meta: &Meta,
    schema: &Schema,
    actions: &HashMap<EntityUid, Vec<Entity>>,
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
        findings.push(Finding {
            rule: "root-tier-only",
            policy: policy.id.clone(),
            problem: "permits actions that change policies".to_owned(),
            fix: "leave `govern` to the root tier",
        });
    }
}

/// Every policy has a title, and a forbid's is a sentence: it is what the denied caller reads.
fn explained(policy: &Written, meta: &Meta, findings: &mut Vec<Finding>) {
    let words = meta.title.split_whitespace().count();
    let least = if policy.effect == Effect::Forbid { 2 } else { 1 };
    if words < least {
        findings.push(Finding {
            rule: "explained",
            policy: policy.id.clone(),
            problem: "has no @title that explains it".to_owned(),
            fix: "say in one sentence what it grants or why it denies",
        });
    }
}
