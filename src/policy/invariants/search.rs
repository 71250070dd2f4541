//! The search for a request that breaks an invariant: ordinary requests, varied in what policies
//! read. It can miss one; it cannot invent one, since Cedar decides each.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{Authorizer, Effect, Entities, Entity, PolicyId, Request, RequestEnv};

use super::super::bundle::Bundle;
use super::claim::Claim;
use super::counterexample::Counterexample;
use super::reads::Reads;
use super::rule::{Condition, Rule};
use super::shape::Shapes;
use super::sketch::Sketch;
use super::tested::Tested;
use super::values::{Change, Changes, Who, changes};
use super::{Violation, claim};
use crate::authz::verdict::{Outcome, verdict};

/// Requests that are looked at for one invariant and one kind of request: what bounds the time.
const REQUESTS_MAX: usize = 1500;
/// Those for all permits together.
const ALL_PERMITS_MAX: usize = 40 * REQUESTS_MAX;
/// Those for one policy.
const PER_POLICY_MAX: usize = 600;
/// Those that are tried to make one condition true.
const PER_CONDITION_MAX: usize = 200;
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

/// What came of looking for a broken life line.
pub(super) enum Line {
    Held,
    Broken(Box<Violation>),
    /// This principal is none that the life line is for.
    Unfit,
}

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

    /// Looks for a request within `claim` that the bundle denies.
    pub(super) fn line(&mut self, claim: &Claim, env: &RequestEnv, admin: Option<&Entity>) -> Line {
        self.left = REQUESTS_MAX;
        let start = Sketch::ordinary(env, &self.shapes, self.bundle.zones());
        let Some((rule, start)) = claim.rule().zip(start) else {
            self.cut_off = true;
            return Line::Held;
        };
        let (start, who) = match admin {
            Some(admin) => (start.asked_by(admin), Who::Fixed),
            None => (start, Who::Anybody),
        };
        let Some(base) = self.satisfied(&rule.conditions, start, who, &|_| true) else {
            return Line::Unfit;
        };
        if let Some(found) = self.denied(&base, &rule, claim, None) {
            return Line::Broken(Box::new(found));
        }
        for id in self.slice(env) {
            if self.tested.has(&id) {
                continue;
            }
            let Some(found) = self.rule(&id) else {
                self.cut_off = true;
                continue;
            };
            let lists = self.changes(&found.reads, &base, Who::Fixed);
            let reads = found.reads.clone();
            let mut found = None;
            self.vary(&base, &lists, 3, PER_POLICY_MAX, &mut |search, sketch| {
                found = search.denied(sketch, &rule, claim, Some(&reads));
                found.is_some()
            });
            if let Some(found) = found {
                return Line::Broken(Box::new(found));
            }
        }
        Line::Held
    }

    fn denied(
        &mut self,
        sketch: &Sketch,
        rule: &Rule,
        claim: &Claim,
        reads: Option<&Reads>,
    ) -> Option<Violation> {
        let asked = self.asked(sketch)?;
        if !rule.matches(&asked) || self.decide(&asked).allow {
            return None;
        }
        let blamed = self.decide(&asked).reasons.first().cloned();
        let reads = match (reads, &blamed) {
            (Some(reads), _) => Some(reads.clone()),
            (None, Some(id)) => self.rule(id).map(|it| it.reads.clone()),
            (None, None) => None,
        };
        self.violation(&asked, claim, blamed, &reads.unwrap_or_default())
            .filter(|it| !it.counterexample.allowed)
    }

    /// Looks for a request that the bundle allows and `claim` does not permit.
    pub(super) fn breach(&mut self, claim: &Claim, env: &RequestEnv) -> Option<Violation> {
        self.left = REQUESTS_MAX;
        let guarded = self.tested.guards(self.bundle, env);
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
        let mut total = ALL_PERMITS_MAX;
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
        self.vary(&base, &lists, 2, PER_POLICY_MAX, &mut |search, sketch| {
            if let Some(asked) = search.asked(sketch)
                && !rule.matches(&asked)
                && permit.matches(&asked)
            {
                breaches.push(sketch.clone());
            }
            breaches.len() >= BREACHES_MAX
        });
        self.cut_off |= breaches.len() >= BREACHES_MAX;
        let backwards = breaches.iter().take(BACKWARDS_MAX);
        let mut ways = backwards.map(|it| (it, 1)).chain(breaches.iter().map(|it| (it, 0)));
        ways.find_map(|(breach, changed_after)| {
            let stays = |it: &(Request, Entities)| changed_after > 0 || !rule.matches(it);
            let around = self.around(breach.clone(), permit, &stays)?;
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
        self.cut_off = true;
        None
    }

    /// `start`, changed until each condition holds; what `keeps` says holds all the while.
    fn satisfied(
        &mut self,
        conditions: &[Condition],
        start: Sketch,
        who: Who,
        keeps: Kept<'_>,
    ) -> Option<Sketch> {
        let mut sketch = start;
        let before = self.cut_off;
        for (at, condition) in conditions.iter().enumerate() {
            let so_far = conditions.get(..=at)?;
            if self.asked(&sketch).is_some_and(|it| condition.holds(&it)) {
                continue;
            }
            // Mostly it is enough to change what this condition reads.
            let all = so_far.iter().fold(Reads::default(), |all, it| all.and(&it.reads));
            let better = self.better(&sketch, so_far, &condition.reads, who, keeps);
            sketch = better.or_else(|| self.better(&sketch, so_far, &all, who, keeps))?;
        }
        // One way is enough.
        self.cut_off = before;
        Some(sketch)
    }

    fn better(
        &mut self,
        sketch: &Sketch,
        conditions: &[Condition],
        reads: &Reads,
        who: Who,
        keeps: Kept<'_>,
    ) -> Option<Sketch> {
        let lists = self.changes(reads, sketch, who);
        let mut better = None;
        self.vary(sketch, &lists, 3, PER_CONDITION_MAX, &mut |search, it| {
            if let Some(asked) = search.asked(it)
                && conditions.iter().rev().all(|it| it.holds(&asked))
                && keeps(&asked)
            {
                better = Some(it.clone());
            }
            better.is_some()
        });
        better
    }

    /// Shows `sketch` with up to `most` of its facts changed, fewer first, until `seen` says that
    /// it has seen enough or `limit` of them were shown.
    fn vary(
        &mut self,
        sketch: &Sketch,
        lists: &[Vec<Change>],
        most: usize,
        limit: usize,
        seen: &mut dyn FnMut(&mut Self, &Sketch) -> bool,
    ) {
        let mut limit = limit;
        for count in 0..=most.min(lists.len()) {
            if self.vary_exactly(sketch, lists, count, &mut limit, seen) {
                return;
            }
        }
    }

    fn vary_exactly(
        &mut self,
        sketch: &Sketch,
        lists: &[Vec<Change>],
        count: usize,
        limit: &mut usize,
        seen: &mut dyn FnMut(&mut Self, &Sketch) -> bool,
    ) -> bool {
        if count == 0 {
            let Some(left) = limit.checked_sub(1).filter(|_| self.left > 0) else {
                self.cut_off = true;
                return true;
            };
            *limit = left;
            return seen(self, sketch);
        }
        let mut rest = lists;
        while let Some((first, others)) = rest.split_first() {
            for change in first {
                let mut changed = sketch.clone();
                change.apply(&mut changed, &self.shapes);
                if self.vary_exactly(&changed, others, count - 1, limit, seen) {
                    return true;
                }
            }
            rest = others;
        }
        false
    }

    fn changes(&mut self, reads: &Reads, sketch: &Sketch, who: Who) -> Vec<Vec<Change>> {
        let Changes { lists, cut_off } = changes(reads, sketch, &self.shapes, who);
        self.cut_off |= cut_off;
        lists
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

    fn asked(&mut self, sketch: &Sketch) -> Option<(Request, Entities)> {
        let left = self.left.checked_sub(1);
        self.cut_off |= left.is_none();
        self.left = left?;
        sketch.asked(self.bundle)
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
