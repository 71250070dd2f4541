//! What one bundle allows and another does not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cedar_policy::{Effect, Policy, PolicySet, RequestEnv};
use cedar_policy_symcc::{CompiledPolicySet, Env};

use super::super::bundle::Bundle;
use super::super::invariants::{Counterexample, kind, reads_of};
use super::super::typed::tool_of;
use super::Comparison;
use super::asked::Allows;
use super::grants::all_granted;
use super::ground::{self, Ground, asked_under};
use super::moment::settled;
use super::session::{Question, Session, compiled, compiled_set};

pub(super) fn compare(
    active: &Bundle,
    candidate: &Bundle,
    budget: Duration,
) -> Result<Comparison, String> {
    let ground = Ground::of(active, candidate)?;
    let mut different = Vec::new();
    for it in kinds(&ground)? {
        if it.differs() {
            different.push(it);
        }
    }
    let notes = ground.notes();
    let (mut widens, mut narrows) = (Vec::new(), Vec::new());
    // Where nothing differs, nobody need be asked.
    if different.is_empty() {
        return Ok(Comparison::Proved { widens, narrows, notes });
    }
    let mut session = Session::begin(budget)?;
    for (at, it) in different.iter().enumerate() {
        let asked = it.compared(&mut session).map_err(|why| {
            let left: Vec<String> = different.iter().skip(at).map(|it| kind(&it.env)).collect();
            format!("{why}; left are {}", left.join(", "))
        })?;
        widens.extend(asked.widens);
        narrows.extend(asked.narrows);
    }
    Ok(Comparison::Proved { widens, narrows, notes })
}

/// A kind of request, and the policies that decide it in two bundles.
struct Kind<'a> {
    env: RequestEnv,
    ground: &'a Ground<'a>,
    active: &'a PolicySet,
    candidate: &'a PolicySet,
}

/// How a kind of request is decided otherwise.
#[derive(Default)]
struct Compared {
    widens: Option<Counterexample>,
    narrows: Option<Counterexample>,
}

/// Every kind of request that either bundle knows, in order.
fn kinds<'a>(ground: &'a Ground<'a>) -> Result<Vec<Kind<'a>>, String> {
    let mut all: BTreeMap<String, Kind<'a>> = BTreeMap::new();
    for env in ground.schema.request_envs() {
        let active = ground::policies(ground.active, &env)?;
        let candidate = ground::policies(ground.candidate, &env)?;
        let name = format!("{} {} {}", env.principal(), env.action(), env.resource());
        all.insert(name, Kind { env, ground, active, candidate });
    }
    Ok(all.into_values().collect())
}

/// Policies, also as the solver takes them.
struct Compiled {
    set: PolicySet,
    compiled: CompiledPolicySet,
}

/// The policies of both bundles.
struct Both {
    active: Compiled,
    candidate: Compiled,
}

impl Kind<'_> {
    /// Whether the texts do, of policies that can matter, or what is refused before any is asked.
    fn differs(&self) -> bool {
        texts(self.active) != texts(self.candidate) || self.is_no_longer_typed()
    }

    /// Whether calls are asked about as all are that were asked about under types.
    fn is_no_longer_typed(&self) -> bool {
        let own =
            |bundle: &Bundle| asked_under(bundle, &self.env).as_ref() == Some(self.env.action());
        let mut calls = self.ground.active.calls().values();
        let refuses = calls.any(|it| it.action == *self.env.action() && !it.input.is_empty());
        refuses && own(self.ground.active) && !own(self.ground.candidate)
    }

    fn compared(&self, session: &mut Session) -> Result<Compared, String> {
        self.cannot_fail(session)?;
        let plain = self.compiled(self.active, self.candidate)?;
        let granted = self.under_grants()?;
        // A grant permits alike in both: if nothing else that permits differs, all that differs shows
        // where everything is granted.
        let alone = granted.is_none() || permits(self.active) != permits(self.candidate);
        let ways = Some(&plain).filter(|_| alone).into_iter().chain(&granted);
        let mut compared = Compared::default();
        for both in ways {
            if compared.widens.is_none() {
                compared.widens = self.found(session, both, Allows::Candidate)?;
            }
            if compared.narrows.is_none() {
                compared.narrows = self.found(session, both, Allows::Active)?;
            }
        }
        if compared.widens.is_none() && self.is_no_longer_typed() {
            self.allows_nothing(session, &granted.unwrap_or(plain))?;
        }
        Ok(compared)
    }

    /// What a policy fails on is denied here, and not where the solver looks: there it is as if the
    /// policy did not stand.
    fn cannot_fail(&self, session: &mut Session) -> Result<(), String> {
        for it in self.changed() {
            let compiled = compiled(&it, &self.env, &self.ground.schema)?;
            if session.ask(Question::NeverErrors(&compiled))?.is_some() {
                return Err(format!("`{}` can fail", it.id()));
            }
        }
        Ok(())
    }

    /// Calls that did not fit their types were refused, and nobody knows what becomes of them, unless
    /// the candidate allows none at all.
    fn allows_nothing(&self, session: &mut Session, both: &Both) -> Result<(), String> {
        match session.ask(Question::AlwaysDenies(&both.candidate.compiled))? {
            None => Ok(()),
            Some(_) => Err(format!(
                "calls of `{}` whose arguments its types cannot hold were refused, and would be \
                 decided like others",
                tool_of(self.env.action()).unwrap_or_default()
            )),
        }
    }

    fn compiled(&self, active: &PolicySet, candidate: &PolicySet) -> Result<Both, String> {
        let compiled = |set: &PolicySet| -> Result<Compiled, String> {
            let compiled = compiled_set(set, &self.env, &self.ground.schema)?;
            Ok(Compiled { set: set.clone(), compiled })
        };
        Ok(Both { active: compiled(active)?, candidate: compiled(candidate)? })
    }

    /// The same where everything that can be granted is granted to everybody.
    fn under_grants(&self) -> Result<Option<Both>, String> {
        let bundles = [self.ground.active, self.ground.candidate];
        let active = all_granted(self.active, bundles, &self.env)?;
        let candidate = all_granted(self.candidate, bundles, &self.env)?;
        active.zip(candidate).map(|(a, c)| self.compiled(&a, &c)).transpose()
    }

    /// A request that only one of the bundles allows, by the solver and by Cedar itself.
    fn found(
        &self,
        session: &mut Session,
        both: &Both,
        allows: Allows,
    ) -> Result<Option<Counterexample>, String> {
        let (more, less) = match allows {
            Allows::Candidate => (&both.candidate, &both.active),
            Allows::Active => (&both.active, &both.candidate),
        };
        let Some(found) = session.ask(Question::Implies(&more.compiled, &less.compiled))? else {
            return Ok(None);
        };
        let reads = reads_of(self.changed().iter());
        let confirm = |it: &Env| self.ground.confirmed(it, &self.env, allows, &reads);
        let mut ask = |only: &Policy| {
            let mut set = more.set.clone();
            set.add(only.clone()).map_err(|it| it.to_string())?;
            let more = compiled_set(&set, &self.env, &self.ground.schema)?;
            session.ask(Question::Implies(&more, &less.compiled))
        };
        let shown = settled(&found, &self.ground.zones(), &mut ask, &confirm);
        let doubt =
            || format!("Cedar does not confirm what the solver says of {}", kind(&self.env));
        shown.map(Some).ok_or_else(doubt)
    }

    /// The policies that only one of the bundles has.
    fn changed(&self) -> Vec<Policy> {
        let (before, after) = (texts(self.active), texts(self.candidate));
        let only = |set: &PolicySet, other: &BTreeSet<String>| -> Vec<Policy> {
            set.policies().filter(|it| !other.contains(&text(it))).cloned().collect()
        };
        let mut changed = only(self.candidate, &before);
        changed.extend(only(self.active, &after));
        changed
    }
}

/// Each policy with what its slots are filled with.
fn texts(set: &PolicySet) -> BTreeSet<String> {
    set.policies().map(text).collect()
}

fn permits(set: &PolicySet) -> BTreeSet<String> {
    set.policies().filter(|it| it.effect() == Effect::Permit).map(text).collect()
}

fn text(policy: &Policy) -> String {
    let (principal, resource) = (policy.principal_constraint(), policy.resource_constraint());
    format!("{policy} {principal:?} {resource:?}")
}
