//! The search for a request that breaks an invariant: ordinary requests, varied in what policies
//! read. It can miss one; it cannot invent one, since Cedar decides each.

mod lines;
mod vary;

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{Authorizer, Effect, Entities, PolicyId, Request, RequestEnv};

use super::super::bundle::Bundle;
use super::claim::Claim;
use super::counterexample::Counterexample;
use super::reads::Reads;
use super::rule::{Condition, Rule};
use super::shape::Shapes;
use super::sketch::Sketch;
use super::tested::{self, Tested};
use super::values::Who;
use super::{Violation, claim};
use crate::authz::verdict::{Outcome, verdict};

pub(super) use self::lines::Line;

use self::vary::PER_CONDITION_MAX;

/// Requests that are looked at for one invariant and one kind of request: what bounds the time.
const REQUESTS_MAX: usize = 1500;
/// Those for all policies together.
const ALL_POLICIES_MAX: usize = 40 * REQUESTS_MAX;
/// Those for one policy.
const PER_POLICY_MAX: usize = 600;
/// Ways to break a claim that are followed up, for each permit.
const BREACHES_MAX: usize = 10;
/// Of those, how many are made allowed, whatever becomes of the breach, and broken again.
const BACKWARDS_MAX: usize = 3;
/// Forbids that are gone around for one request.
const DETOURS_MAX: usize = 6;

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// Every policy.
    #[cfg(test)]
    All,
    /// What the starter bundle does not have: for what it has, this release was tested.
    Changed,
}

/// What a request must not lose while it is changed.
type Kept<'a> = &'a dyn Fn(&(Request, Entities)) -> bool;

pub(super) struct Search<'a> {
    bundle: &'a Bundle,
    shapes: Shapes,
    /// Those that were needed so far.
    rules: BTreeMap<String, Option<Arc<Rule>>>,
    tested: Tested,
    left: usize,
    /// Whether something was not looked at since this was last asked.
    cut_off: bool,
}

impl<'a> Search<'a> {
    pub(super) fn new(bundle: &'a Bundle, effort: Effort) -> Search<'a> {
        Search {
            bundle,
            shapes: Shapes::of(&bundle.sources().schema),
            rules: BTreeMap::new(),
            tested: Tested::of(bundle, effort),
            left: REQUESTS_MAX,
            cut_off: false,
        }
    }

    /// Whether anything within the bounds was left out since this was last asked.
    pub(super) fn was_cut_off(&mut self) -> bool {
        std::mem::take(&mut self.cut_off)
    }

    /// Looks for a request that the bundle allows and `claim` does not permit.
    pub(super) fn breach(&mut self, claim: &Claim, env: &RequestEnv) -> Option<Violation> {
        self.left = REQUESTS_MAX;
        let guarded = self.tested.stand(self.bundle, env, Effect::Forbid);
        if guarded && tested::is_kept_by_forbids(&claim.id, env) {
            return None;
        }
        let mut ids = self.slice(env);
        // With all forbids in place, a permit does what it did when it was tested.
        ids.retain(|it| !(guarded && self.tested.has(it)));
        if ids.is_empty() {
            return None;
        }
        let start = Sketch::ordinary(env, &self.shapes, self.bundle.zones());
        let Some((rule, start)) = claim.rule().zip(start) else {
            self.cut_off = true;
            return None;
        };
        // Each permit gets its share, so that none hides behind others.
        let mut total = ALL_POLICIES_MAX;
        ids.iter().find_map(|id| {
            let known = self.rule(id);
            self.cut_off |= known.is_none();
            let permit = known.filter(|it| it.effect == Effect::Permit)?;
            let share = total.min(REQUESTS_MAX);
            self.left = share;
            let found = self.breach_by(&permit, &rule, claim, &start);
            total -= share - self.left;
            found
        })
    }

    fn breach_by(
        &mut self,
        permit: &Rule,
        rule: &Rule,
        claim: &Claim,
        start: &Sketch,
    ) -> Option<Violation> {
        let base = self.satisfied(&permit.conditions, start.clone(), Who::Anybody, &|_| true);
        // What is never permitted, or what nobody found out how to.
        self.cut_off |= base.is_none();
        let base = base?;
        let lists = self.changes(&rule.reads.and(&permit.reads), &base, Who::Anybody);
        let mut breaches = Vec::new();
        self.vary(&base, &lists, lists.len(), PER_POLICY_MAX, &mut |search, sketch| {
            if let Some(asked) = search.asked(sketch)
                && !rule.matches(&asked)
                && permit.matches(&asked)
            {
                breaches.push(sketch.clone());
            }
            breaches.len() >= BREACHES_MAX
        });
        self.cut_off |= breaches.len() >= BREACHES_MAX || permit.reads.computes;
        let backwards = breaches.iter().take(BACKWARDS_MAX);
        let mut ways = backwards.map(|it| (it, 1)).chain(breaches.iter().map(|it| (it, 0)));
        ways.find_map(|(breach, changed_after)| {
            let stays = |it: &(Request, Entities)| changed_after > 0 || !rule.matches(it);
            let around = self.around(breach.clone(), permit, &stays);
            // Another way around may be open.
            self.cut_off |= around.is_none();
            let around = around?;
            let lists = self.changes(&rule.reads, &around, Who::Anybody);
            let mut found = None;
            self.vary(&around, &lists, changed_after, PER_CONDITION_MAX, &mut |search, it| {
                found = search.allowed(it, permit, rule, claim);
                found.is_some()
            });
            found
        })
    }

    /// `sketch` as a violation, if the bundle allows it and `rule` does not.
    fn allowed(
        &mut self,
        sketch: &Sketch,
        permit: &Rule,
        rule: &Rule,
        claim: &Claim,
    ) -> Option<Violation> {
        let asked = self.asked(sketch)?;
        if rule.matches(&asked) || !self.decide(&asked).allow {
            return None;
        }
        let reads = rule.reads.and(&permit.reads);
        self.violation(&asked, claim, Some(permit.id.clone()), &reads)
            .filter(|it| it.counterexample.allowed)
    }

    /// `sketch`, changed until no forbid denies it, as long as `permit` matches and `keeps` holds.
    fn around(&mut self, mut sketch: Sketch, permit: &Rule, keeps: Kept<'_>) -> Option<Sketch> {
        for _ in 0..DETOURS_MAX {
            let asked = self.asked(&sketch)?;
            let outcome = self.decide(&asked);
            if outcome.allow {
                return Some(sketch);
            }
            let forbid = self.rule(outcome.reasons.first()?)?;
            sketch = forbid.conditions.iter().rev().find_map(|it| {
                let otherwise = Condition::parse_all(&it.otherwise)?;
                let kept = |it: &(Request, Entities)| permit.matches(it) && keeps(it);
                let other = self.satisfied(&otherwise, sketch.clone(), Who::Anybody, &kept)?;
                let asked = self.asked(&other)?;
                (!forbid.matches(&asked) && kept(&asked)).then_some(other)
            })?;
        }
        None
    }

    fn rule(&mut self, id: &str) -> Option<Arc<Rule>> {
        if let Some(known) = self.rules.get(id) {
            return known.clone();
        }
        let policy = self.bundle.policies().policy(&PolicyId::new(id));
        let rule = policy.and_then(Rule::of).map(Arc::new);
        self.rules.insert(id.to_owned(), rule.clone());
        rule
    }

    fn slice(&self, env: &RequestEnv) -> Vec<String> {
        let slice = self.bundle.slice(env.principal(), env.action(), env.resource());
        let mut ids: Vec<String> = slice.policies().map(|it| it.id().to_string()).collect();
        ids.sort();
        ids
    }

    fn decide(&self, (request, entities): &(Request, Entities)) -> Outcome {
        let (Some(principal), Some(action), Some(resource)) =
            (request.principal(), request.action(), request.resource())
        else {
            return Outcome::denied();
        };
        let slice = self.bundle.slice(principal.type_name(), action, resource.type_name());
        verdict(&Authorizer::new().is_authorized(request, slice, entities))
    }

    /// What was found, decided once more by the schema and from its printed form.
    fn violation(
        &self,
        (request, entities): &(Request, Entities),
        claim: &Claim,
        policy: Option<String>,
        reads: &Reads,
    ) -> Option<Violation> {
        let counterexample = Counterexample::decided(self.bundle, request, entities, reads)?;
        Some(Violation { invariant: claim::sentence(&claim.id)?, policy, counterexample })
    }
}
