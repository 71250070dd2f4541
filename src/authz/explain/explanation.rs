//! Why a decision is what it is: the policies in it, what each of them asked and was told, and what
//! would make it another.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Effect, EntityUid, PolicyId, PolicySet};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::asking::{in_scope, slice_for};
use super::conditions::{Asked, Condition, Seen, conditions};
use super::{Pace, Reach, cure, meta};
use crate::authz::case::{Case, Unaskable};
use crate::authz::uid::Reference;
use crate::error::Fix;
use crate::policy::Bundle;

/// What of a decision somebody may know.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Policies as they are written, and every value that they read.
    pub everything: bool,
    /// Of whom, and of what, the attributes may be seen.
    pub of: BTreeSet<EntityUid>,
}

/// A decision, made again and taken apart.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Explanation {
    /// `allow` or `deny`, as these policies decide it.
    pub decision: &'static str,
    /// The policies that decided; where no permit applied, those that would have, had their
    /// conditions held.
    pub policies: Vec<Judged>,
    /// The smallest change that turns a denial into an allow, all of it together; empty where nothing
    /// would that is in anybody's power.
    pub fix: Vec<Fix>,
    /// False where the search ended before everything was tried.
    pub fix_complete: bool,
    /// Which argument policies cannot look at as it was sent, and why: then none of them was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfit: Option<String>,
    /// What else is to be known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub notes: Vec<String>,
}

/// A policy in a decision.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Judged {
    pub id: String,
    pub title: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// False for a permit that would have applied but for its conditions.
    pub applied: bool,
    /// Of whom it was asked, where several must be allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Where it is written. Left out for whoever may not read policies, like its conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition>>,
    /// What it read of the request, as far as you may know it.
    pub values: Vec<Seen>,
}

impl Sight {
    /// Of whoever has the policies on disk.
    pub fn whole() -> Sight {
        Sight { everything: true, of: BTreeSet::new() }
    }

    /// Whether what was read at `path` may be known; `principal` is who was asked about.
    fn reaches(&self, path: &str, principal: &EntityUid, case: &Case) -> bool {
        let people = ["approved_by", "parties", "tool_owner"];
        let is_of = |root: &str| path == root || path.starts_with(&format!("{root}."));
        if self.everything {
            return true;
        }
        if is_of("principal") {
            return self.of.contains(principal);
        }
        if is_of("resource") {
            return self.of.contains(&case.resource);
        }
        // Who said yes, and on whose side, is not the asker's.
        !people.iter().any(|it| path == format!("context.approval.{it}"))
            && path != "context.approval"
            && path != "context"
    }
}

/// Takes apart how `bundle` decides `case`, as far as `sight` goes.
///
/// # Errors
/// The bundle cannot be asked such a thing.
pub fn explain(
    case: &Case,
    bundle: &Bundle,
    reach: &Reach,
    sight: &Sight,
) -> Result<Explanation, Unaskable> {
    let outcome = case.decide(bundle)?;
    let mut notes = Vec::new();
    if sight.everything {
        notes.extend(outcome.errors.iter().map(|it| format!("failed to evaluate: {it}")));
    } else if !outcome.errors.is_empty() {
        notes.push("a policy failed to evaluate, so nothing is allowed".into());
    }
    let telling = Telling { case, bundle, sight };
    let mut policies = Vec::new();
    let mut unfit = None;
    for principal in case.principals() {
        let said = match case.decide_for(principal, bundle) {
            Err(Unaskable::Unfit(it)) => {
                unfit = Some(it.told());
                break;
            }
            said => said?,
        };
        policies.extend(telling.judged(principal, said.allow, &said.reasons)?);
        if !said.allow {
            break;
        }
    }
    if case.others.is_none() && outcome.errors.is_empty() {
        notes.push("one of those in whose name it was asked is gone, or gave no word".into());
    }
    let cured = (!outcome.allow).then(|| cure(case, bundle, reach, Pace::Explanation));
    Ok(Explanation {
        decision: if outcome.allow { "allow" } else { "deny" },
        policies,
        unfit,
        fix_complete: cured.as_ref().is_none_or(|it| it.complete),
        fix: cured.map(|it| it.fixes).unwrap_or_default(),
        notes,
    })
}

struct Telling<'a> {
    case: &'a Case,
    bundle: &'a Bundle,
    sight: &'a Sight,
}

impl Telling<'_> {
    /// The policies that decided for `principal`, or the permits that nearly did.
    fn judged(
        &self,
        principal: &EntityUid,
        allow: bool,
        reasons: &[String],
    ) -> Result<Vec<Judged>, Unaskable> {
        let (request, entities) = self.case.request_for(principal, self.bundle)?;
        let asked = Asked { request, entities };
        let slice = slice_for(self.case, principal, self.bundle).unwrap_or_default();
        if !reasons.is_empty() {
            let told =
                reasons.iter().filter_map(|id| self.one(id, true, principal, &slice, &asked));
            return Ok(told.collect());
        }
        let permits = slice.policies().filter(|it| it.effect() == Effect::Permit && !allow);
        let near = in_scope(self.case, principal, self.bundle, permits);
        Ok(near.iter().filter_map(|id| self.one(id, false, principal, &slice, &asked)).collect())
    }

    fn one(
        &self,
        id: &str,
        applied: bool,
        principal: &EntityUid,
        slice: &PolicySet,
        asked: &Asked,
    ) -> Option<Judged> {
        let policy = slice.policy(&PolicyId::new(id))?;
        let meta = meta(self.bundle, self.case, id)?;
        let all = conditions(policy, meta, asked);
        let read = all.iter().flat_map(|it| it.values.iter().cloned());
        let read: BTreeMap<String, Value> = read.map(|it| (it.path, it.value)).collect();
        let seen = read.into_iter().map(|(path, value)| Seen { path, value });
        let seen = seen.filter(|it| self.sight.reaches(&it.path, principal, self.case));
        let several = self.case.principals().nth(1).is_some();
        let is_known = self.sight.everything || self.sight.of.contains(principal);
        Some(Judged {
            id: id.to_owned(),
            title: meta.title.clone(),
            effect: if policy.effect() == Effect::Permit { "permit" } else { "forbid" },
            applied,
            principal: (several && is_known).then(|| Reference(principal.clone()).into()),
            file: self.sight.everything.then(|| meta.file.clone()),
            line: self.sight.everything.then_some(meta.line),
            conditions: self.sight.everything.then_some(all.clone()),
            values: seen.collect(),
        })
    }
}
