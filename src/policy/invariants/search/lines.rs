//! The search for a request within a life line that the bundle denies.

use std::sync::Arc;

use cedar_policy::{Effect, Entities, Entity, Request, RequestEnv};

use super::super::Violation;
use super::super::claim::Claim;
use super::super::reads::Reads;
use super::super::rule::Rule;
use super::super::sketch::Sketch;
use super::super::values::Who;
use super::{ALL_POLICIES_MAX, PER_POLICY_MAX, REQUESTS_MAX, Search};

/// What came of looking for a broken life line.
pub(in super::super) enum Line {
    Held,
    Broken(Box<Violation>),
    /// This principal is none that the life line is for.
    Unfit,
}

impl Search<'_> {
    /// Looks for a request within `claim` that the bundle denies.
    pub(in super::super) fn line(
        &mut self,
        claim: &Claim,
        env: &RequestEnv,
        admin: Option<&Entity>,
    ) -> Line {
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
        let found = self.denied(&base, &rule, claim, None);
        let found = found.or_else(|| self.denied_by_any(&base, &rule, claim, env));
        found.map_or(Line::Held, |it| Line::Broken(Box::new(it)))
    }

    /// With all permits in place that this release was tested with, only a forbid can deny.
    fn denied_by_any(
        &mut self,
        base: &Sketch,
        rule: &Rule,
        claim: &Claim,
        env: &RequestEnv,
    ) -> Option<Violation> {
        let permitted = self.tested.stand(self.bundle, env, Effect::Permit);
        let (mut permits, mut total) = (Reads::default(), ALL_POLICIES_MAX);
        for id in self.slice(env) {
            let Some(policy) = self.rule(&id) else {
                self.cut_off = true;
                continue;
            };
            if policy.effect == Effect::Permit {
                permits = permits.and(&policy.reads);
            }
            if self.tested.has(&id) || (permitted && policy.effect == Effect::Permit) {
                continue;
            }
            let share = total.min(REQUESTS_MAX);
            self.left = share;
            let found = self.denied_by(&policy, base, rule, claim);
            total -= share - self.left;
            if found.is_some() {
                return found;
            }
        }
        if permitted {
            return None;
        }
        // What one permit leaves out, another may permit: all of what they read together.
        self.left = total.min(REQUESTS_MAX);
        self.denied_among(&permits, base, rule, claim)
    }

    fn denied_by(
        &mut self,
        policy: &Arc<Rule>,
        base: &Sketch,
        rule: &Rule,
        claim: &Claim,
    ) -> Option<Violation> {
        if policy.effect == Effect::Forbid {
            let within = |it: &(Request, Entities)| rule.matches(it);
            let mut conditions = policy.conditions.iter();
            if conditions.any(|it| self.never(it, base, Who::Fixed, &within)) {
                return None;
            }
            // Straight at it, however many facts it hides behind.
            let before = self.cut_off;
            let start = base.clone();
            let reached = self.satisfied(&policy.conditions, start, Who::Fixed, &within);
            self.cut_off = before;
            let found = reached.and_then(|it| self.denied(&it, rule, claim, Some(&policy.reads)));
            if found.is_some() {
                return found;
            }
        }
        self.denied_among(&policy.reads, base, rule, claim)
    }

    fn denied_among(
        &mut self,
        reads: &Reads,
        base: &Sketch,
        rule: &Rule,
        claim: &Claim,
    ) -> Option<Violation> {
        let lists = self.changes(reads, base, Who::Fixed);
        let mut found = None;
        self.vary(base, &lists, lists.len(), PER_POLICY_MAX, &mut |search, sketch| {
            found = search.denied(sketch, rule, claim, Some(reads));
            found.is_some()
        });
        self.cut_off |= reads.computes;
        found
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
}
