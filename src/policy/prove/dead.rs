//! Policies that never apply, that others make superfluous, and forbids that can fail.

use std::time::Duration;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, RequestEnv};

use super::super::bundle::Bundle;
use super::super::invariants::{Counterexample, kind, reads_of};
use super::super::links::unlinked;
use super::session::{Question, Session, compiled, compiled_set};
use super::{Failing, Findings, Proof};

pub(super) fn findings(bundle: &Bundle, budget: Duration) -> Result<Findings, String> {
    let mut session = Session::begin(budget)?;
    let mut found = Findings::default();
    let policies = sorted(bundle);
    for (at, policy) in policies.iter().enumerate() {
        if let Err(why) = about(&mut session, bundle, policy, &mut found) {
            let left = policies.len() - at;
            found.not_proved = Some(format!(
                "{why}; {left} of {} policies are left, from `{}` on",
                policies.len(),
                policy.id()
            ));
            break;
        }
    }
    Ok(found)
}

fn about(
    session: &mut Session,
    bundle: &Bundle,
    policy: &Policy,
    found: &mut Findings,
) -> Result<(), String> {
    let id = policy.id().to_string();
    let envs = environments(bundle, policy);
    if policy.effect() == Effect::Forbid {
        found.failing.extend(failing(session, bundle, policy, &envs)?);
    }
    if matched(session, bundle, policy, &envs)?.is_none() {
        found.dead.push(id);
        return Ok(());
    }
    if policy.effect() == Effect::Permit {
        let others = |it: &Policy| it.effect() == Effect::Permit && it.id() != policy.id();
        let forbids = |it: &Policy| it.effect() == Effect::Forbid;
        if everywhere(session, bundle, policy, &envs, &others)? {
            found.shadowed.push(id);
        } else if everywhere(session, bundle, policy, &envs, &forbids)? {
            found.overridden.push(id);
        }
    }
    Ok(())
}

/// Whether, for every request that `policy` permits, those that `which` chooses say the last word:
/// permits by permitting it, too, forbids by denying it.
fn everywhere(
    session: &mut Session,
    bundle: &Bundle,
    policy: &Policy,
    envs: &[RequestEnv],
    which: &dyn Fn(&Policy) -> bool,
) -> Result<bool, String> {
    for env in envs {
        let slice = bundle.slice(env.principal(), env.action(), env.resource());
        let chosen = slice.policies().filter(|it| which(it)).map(unlinked);
        let chosen: Vec<Policy> = chosen.collect::<Result<_, _>>()?;
        let permits = chosen.iter().all(|it| it.effect() == Effect::Permit);
        let compile = |set: Vec<Policy>| {
            let set = PolicySet::from_policies(set).map_err(|it| it.to_string())?;
            compiled_set(&set, env, bundle.schema())
        };
        let exception = if permits {
            let (alone, others) = (compile(vec![unlinked(policy)?])?, compile(chosen)?);
            session.ask(Question::Implies(&alone, &others))?
        } else {
            let with = compile(chosen.into_iter().chain([unlinked(policy)?]).collect())?;
            session.ask(Question::AlwaysDenies(&with))?
        };
        if exception.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn failing(
    session: &mut Session,
    bundle: &Bundle,
    policy: &Policy,
    envs: &[RequestEnv],
) -> Result<Option<Failing>, String> {
    for env in envs {
        let compiled = compiled(policy, env, bundle.schema())?;
        if session.ask(Question::NeverErrors(&compiled))?.is_some() {
            return Ok(Some(Failing { policy: policy.id().to_string(), kind: kind(env) }));
        }
    }
    Ok(None)
}

/// A request that `policy` matches.
fn matched(
    session: &mut Session,
    bundle: &Bundle,
    policy: &Policy,
    envs: &[RequestEnv],
) -> Result<Option<Counterexample>, String> {
    for env in envs {
        let compiled = compiled(policy, env, bundle.schema())?;
        if let Some(it) = session.ask(Question::NeverMatches(&compiled))? {
            let reads = reads_of([policy]);
            let shown = Counterexample::decided(bundle, &it.request, &it.entities, &reads);
            return shown.map(Some).ok_or_else(|| {
                format!("Cedar does not confirm what the solver says of `{}`", policy.id())
            });
        }
    }
    Ok(None)
}

pub(super) fn never_applies(bundle: &Bundle, id: &str, budget: Duration) -> Result<Proof, String> {
    let policy = named(bundle, id)?;
    let mut session = Session::begin(budget)?;
    let envs = environments(bundle, policy);
    Ok(match matched(&mut session, bundle, policy, &envs)? {
        Some(it) => Proof::Refuted { counterexample: Box::new(it) },
        None => Proof::Proven,
    })
}

pub(super) fn equivalent(
    bundle: &Bundle,
    [a, b]: [&str; 2],
    budget: Duration,
) -> Result<Proof, String> {
    let (a, b) = (named(bundle, a)?, named(bundle, b)?);
    let mut session = Session::begin(budget)?;
    let mut envs = environments(bundle, a);
    envs.extend(environments(bundle, b));
    for env in &envs {
        let one = compiled(a, env, bundle.schema())?;
        let other = compiled(b, env, bundle.schema())?;
        if let Some(it) = session.ask(Question::MatchesSame(&one, &other))? {
            let reads = reads_of([a, b]);
            let shown = Counterexample::decided(bundle, &it.request, &it.entities, &reads)
                .ok_or_else(|| "Cedar does not confirm what the solver says".to_owned())?;
            return Ok(Proof::Refuted { counterexample: Box::new(shown) });
        }
    }
    Ok(Proof::Proven)
}

fn named<'a>(bundle: &'a Bundle, id: &str) -> Result<&'a Policy, String> {
    let policy = bundle.policies().policy(&PolicyId::new(id));
    policy.ok_or_else(|| format!("there is no policy `{id}`, or it is a template without link"))
}

fn sorted(bundle: &Bundle) -> Vec<Policy> {
    let mut policies: Vec<Policy> = bundle.policies().policies().cloned().collect();
    policies.sort_by_cached_key(|it| it.id().to_string());
    policies
}

/// The kinds of requests that the policy's scope admits, in order.
fn environments(bundle: &Bundle, policy: &Policy) -> Vec<RequestEnv> {
    let has = |env: &RequestEnv| {
        let slice = bundle.slice(env.principal(), env.action(), env.resource());
        slice.policy(policy.id()).is_some()
    };
    let mut envs: Vec<RequestEnv> = bundle.schema().request_envs().filter(has).collect();
    envs.sort_by_cached_key(kind);
    envs
}
