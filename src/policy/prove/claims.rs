//! The invariants, proven.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cedar_policy::{
    Entities, Entity, EntityUid, Policy, PolicySet, PrincipalConstraint, RequestEnv,
};
use cedar_policy_symcc::Env;

use super::super::bundle::Bundle;
use super::super::invariants::{Claim, Counterexample, Holds, Rule, kind};
use super::super::links::{Link, unlinked};
use super::grants::{all_granted, ways};
use super::moment::settled;
use super::session::{Question, Session, compiled_set};
use super::{Proof, ProvenInvariant, Wanted};
use crate::authz::uid::{Kind, uid};

pub(super) fn invariants(
    bundle: &Bundle,
    admins: &[Entity],
    wanted: &Wanted,
    budget: Duration,
) -> Result<Vec<ProvenInvariant>, String> {
    let mut session = Session::begin(budget)?;
    let is_wanted = |it: &Claim| it.known_sentence().is_some_and(|it| wanted.has(it));
    let (mut lines, rest): (Vec<Claim>, Vec<Claim>) =
        Claim::all(bundle).into_iter().partition(|it| it.holds == Holds::Always);
    // One admin keeps all of the life lines, so either all are asked about or none.
    if !lines.iter().any(is_wanted) {
        lines.clear();
    }
    let mut proven = life_lines(&mut session, bundle, &lines, admins);
    proven.retain(|it| wanted.has(it.invariant));
    let rest = rest.iter().filter(|it| is_wanted(it));
    proven.extend(rest.filter_map(|it| told(it, claim(&mut session, bundle, it))));
    Ok(proven)
}

/// The life lines for the first admin who keeps them all; otherwise for the first of them.
fn life_lines(
    session: &mut Session,
    bundle: &Bundle,
    lines: &[Claim],
    admins: &[Entity],
) -> Vec<ProvenInvariant> {
    let group: BTreeSet<EntityUid> = governs(lines).into_iter().collect();
    let mut who: Vec<Vec<String>> = admins
        .iter()
        .filter(|it| parents(it).is_superset(&group))
        .map(|it| exactly(bundle, &it.uid(), &parents(it)))
        .collect();
    if who.is_empty() {
        who.push(exactly(bundle, &uid(Kind::User, "this-user"), &group));
    }
    let mut first = None;
    for conditions in who {
        let mut proven = Vec::new();
        for line in lines {
            let mut line = line.clone();
            line.narrow(&conditions);
            proven.extend(told(&line, claim(session, bundle, &line)));
        }
        if proven.iter().all(|it| matches!(it.proof, Proof::Proven)) {
            return proven;
        }
        first = first.or(Some(proven));
    }
    first.unwrap_or_default()
}

/// The group that the life lines are about, as they name it.
fn governs(lines: &[Claim]) -> Option<EntityUid> {
    lines.iter().find_map(|it| match it.policy.principal_constraint() {
        PrincipalConstraint::In(it) | PrincipalConstraint::IsIn(_, it) => Some(it),
        _ => None,
    })
}

fn parents(admin: &Entity) -> BTreeSet<EntityUid> {
    admin.clone().into_inner().2.into_iter().collect()
}

/// Who somebody is: of all groups and roles that policies name, in exactly these.
fn exactly(bundle: &Bundle, who: &EntityUid, inside: &BTreeSet<EntityUid>) -> Vec<String> {
    let mut groups: BTreeMap<EntityUid, bool> = BTreeMap::new();
    // The literals of a link are those of its template, without what fills the slots.
    for policy in bundle.policies().policies().filter_map(|it| unlinked(it).ok()) {
        for it in policy.entity_literals() {
            let name = it.type_name();
            if name == Kind::Group.type_name() || name == Kind::Role.type_name() {
                let is_in = inside.contains(&it);
                groups.insert(it, is_in);
            }
        }
    }
    let word = |is_in: bool| if is_in { "" } else { "!" };
    let mut conditions = vec![format!("principal == {who}")];
    conditions.extend(groups.iter().map(|(it, is)| format!("{}(principal in {it})", word(*is))));
    conditions
}

fn told(claim: &Claim, proof: Proof) -> Option<ProvenInvariant> {
    let promise = claim.holds == Holds::Promise;
    Some(ProvenInvariant { invariant: claim.known_sentence()?, promise, proof })
}

fn claim(session: &mut Session, bundle: &Bundle, claim: &Claim) -> Proof {
    for env in claim.environments(bundle) {
        match refuted(session, bundle, claim, &env) {
            Ok(None) => {}
            Ok(Some(it)) => return Proof::Refuted { counterexample: Box::new(it) },
            Err(why) => return Proof::NotProved { why: format!("{}: {why}", kind(&env)) },
        }
    }
    Proof::Proven
}

/// A request of the kind `env` that the claim is untrue of.
fn refuted(
    session: &mut Session,
    bundle: &Bundle,
    claim: &Claim,
    env: &RequestEnv,
) -> Result<Option<Counterexample>, String> {
    let schema = bundle.schema();
    let slice = bundle.slice(env.principal(), env.action(), env.resource());
    let alone = PolicySet::from_policies([claim.policy.clone()]).map_err(|it| it.to_string())?;
    let granted = all_granted(slice, [bundle, bundle], env)?;
    // Whatever may be granted is nothing that a life line can count on.
    let allowed = granted.as_ref().filter(|_| claim.holds != Holds::Always).unwrap_or(slice);
    let (bundles, claimed) =
        (compiled_set(allowed, env, schema)?, compiled_set(&alone, env, schema)?);
    let (less, more) = match claim.holds {
        Holds::Always => ((&alone, &claimed), &bundles),
        Holds::Only | Holds::Promise => ((allowed, &bundles), &claimed),
    };
    let Some(found) = session.ask(Question::Implies(less.1, more))? else { return Ok(None) };
    let mut ask = |only: &Policy| {
        let mut set = less.0.clone();
        set.add(only.clone()).map_err(|it| it.to_string())?;
        session.ask(Question::Implies(&compiled_set(&set, env, schema)?, more))
    };
    let rule = Rule::of(&claim.policy).ok_or("an invariant cannot be taken apart")?;
    let confirm = |it: &Env| confirmed(bundle, claim, &rule, env, it);
    let shown = settled(&found, bundle.zones(), &mut ask, &confirm);
    shown.map(Some).ok_or_else(|| "Cedar does not confirm what the solver says".to_owned())
}

/// What Cedar itself says to a request that the solver found.
fn confirmed(
    bundle: &Bundle,
    claim: &Claim,
    rule: &Rule,
    env: &RequestEnv,
    found: &Env,
) -> Option<Counterexample> {
    let ways = match claim.holds {
        Holds::Always => vec![Vec::new()],
        Holds::Only | Holds::Promise => ways([bundle, bundle], env, &found.request),
    };
    ways.iter().find_map(|grants| shown(bundle, claim, rule, found, grants))
}

/// `found` with what the bundle says to it, if the claim is untrue of it.
fn shown(
    bundle: &Bundle,
    claim: &Claim,
    rule: &Rule,
    found: &Env,
    grants: &[Link],
) -> Option<Counterexample> {
    let action = found.request.action()?.clone();
    let known = found.entities.iter().filter(|it| it.uid().type_name() != action.type_name());
    let actions = bundle.action_entities(&action).iter();
    let entities = Entities::from_entities(known.chain(actions).cloned(), None).ok()?;
    let asked = (found.request.clone(), entities);
    let shown = Counterexample::granted(bundle, &asked.0, &asked.1, &rule.reads, grants)?;
    let confirmed = match claim.holds {
        Holds::Always => !shown.allowed && rule.matches(&asked),
        Holds::Only | Holds::Promise => shown.allowed && !rule.matches(&asked),
    };
    confirmed.then_some(shown)
}
