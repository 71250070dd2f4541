//! What one bundle allows and another does not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cedar_policy::{Policy, PolicySet, RequestEnv};
use cedar_policy_symcc::Env;

use super::super::bundle::Bundle;
use super::super::invariants::{Counterexample, kind, reads_of};
use super::Comparison;
use super::session::{Question, Session, compiled_set};

pub(super) fn compare(
    active: &Bundle,
    candidate: &Bundle,
    budget: Duration,
) -> Result<Comparison, String> {
    let different: Vec<Kind<'_>> =
        kinds(active, candidate).into_iter().filter(Kind::differs).collect();
    let (mut widens, mut narrows) = (Vec::new(), Vec::new());
    // Where nothing differs, nobody need be asked.
    if different.is_empty() {
        return Ok(Comparison::Proved { widens, narrows });
    }
    let mut session = Session::begin(budget)?;
    for (at, it) in different.iter().enumerate() {
        let asked = it.widens(&mut session).and_then(|wide| Ok((wide, it.narrows(&mut session)?)));
        let (wide, narrow) = asked.map_err(|why| {
            let left: Vec<String> = different.iter().skip(at).map(|it| kind(&it.env)).collect();
            format!("{why}; left are {}", left.join(", "))
        })?;
        widens.extend(wide);
        narrows.extend(narrow);
    }
    Ok(Comparison::Proved { widens, narrows })
}

/// A kind of request, and the two bundles that decide it.
struct Kind<'a> {
    env: RequestEnv,
    active: &'a Bundle,
    candidate: &'a Bundle,
    /// Whose schema has it.
    schema: &'a Bundle,
}

/// Every kind of request that either bundle knows, in order.
fn kinds<'a>(active: &'a Bundle, candidate: &'a Bundle) -> Vec<Kind<'a>> {
    let mut all: BTreeMap<String, Kind<'a>> = BTreeMap::new();
    for schema in [candidate, active] {
        for env in schema.schema().request_envs() {
            let name = kind(&env);
            all.entry(name).or_insert(Kind { env, active, candidate, schema });
        }
    }
    all.into_values().collect()
}

impl Kind<'_> {
    fn of<'b>(&self, bundle: &'b Bundle) -> &'b PolicySet {
        bundle.slice(self.env.principal(), self.env.action(), self.env.resource())
    }

    /// Whether the texts do, of policies that can matter or of the schema they are about.
    fn differs(&self) -> bool {
        texts(self.of(self.active)) != texts(self.of(self.candidate))
    }

    fn widens(&self, session: &mut Session) -> Result<Option<Counterexample>, String> {
        let found = self.more(session, self.candidate, self.active)?;
        found.map(|it| self.confirmed(&it, Wanted::Allowed)).transpose()
    }

    fn narrows(&self, session: &mut Session) -> Result<Option<Counterexample>, String> {
        let found = self.more(session, self.active, self.candidate)?;
        found.map(|it| self.confirmed(&it, Wanted::Denied)).transpose()
    }

    /// A request that `a` allows and `b` does not.
    fn more(&self, session: &mut Session, a: &Bundle, b: &Bundle) -> Result<Option<Env>, String> {
        let schema = self.schema.schema();
        let a = compiled_set(self.of(a), &self.env, schema)?;
        let b = compiled_set(self.of(b), &self.env, schema)?;
        session.ask(Question::Implies(&a, &b))
    }

    /// What Cedar itself says to a request that the solver found.
    fn confirmed(&self, found: &Env, wanted: Wanted) -> Result<Counterexample, String> {
        let allowed = wanted == Wanted::Allowed;
        let (shown, other) = match self.of(self.candidate).is_empty() {
            true => (self.active, self.candidate),
            false => (self.candidate, self.active),
        };
        let changed = self.changed();
        let reads = reads_of(changed.iter());
        let here = Counterexample::decided(shown, &found.request, &found.entities, &reads);
        let doubt =
            || format!("Cedar does not confirm what the solver says of {}", kind(&self.env));
        let here = here.ok_or_else(doubt)?;
        let there = here.redecide(other).is_some_and(|it| it.allow);
        let by_candidate = if std::ptr::eq(shown, self.candidate) { here.allowed } else { there };
        let by_active = if std::ptr::eq(shown, self.active) { here.allowed } else { there };
        if by_candidate == allowed && by_active != allowed { Ok(here) } else { Err(doubt()) }
    }

    /// The policies that only one of the bundles has.
    fn changed(&self) -> Vec<Policy> {
        let (active, candidate) = (self.of(self.active), self.of(self.candidate));
        let (before, after) = (texts(active), texts(candidate));
        let only = |set: &PolicySet, other: &BTreeSet<String>| -> Vec<Policy> {
            set.policies().filter(|it| !other.contains(&text(it))).cloned().collect()
        };
        let mut changed = only(candidate, &before);
        changed.extend(only(active, &after));
        changed
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Allowed,
    Denied,
}

/// Each policy with what its slots are filled with.
fn texts(set: &PolicySet) -> BTreeSet<String> {
    set.policies().map(text).collect()
}

fn text(policy: &Policy) -> String {
    let (principal, resource) = (policy.principal_constraint(), policy.resource_constraint());
    format!("{policy} {principal:?} {resource:?}")
}
