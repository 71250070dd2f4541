//! What Cedar itself says to a request that the solver found.

use std::collections::BTreeSet;

use cedar_policy::{Context, Entities, EntityUid, Request, RequestEnv};
use cedar_policy_symcc::Env;
use serde_json::Value;

use super::super::bundle::Bundle;
use super::super::invariants::{Counterexample, Reads};
use super::super::links::Link;
use super::grants;
use super::ground::{Ground, asked_under};

/// Which of two bundles allows what is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allows {
    Candidate,
    Active,
}

impl Ground<'_> {
    /// What both bundles say to `found`, if they decide it as `allows` says, by Cedar. It takes grants
    /// only where it is not so without, and shows what `reads` name.
    pub(super) fn confirmed(
        &self,
        found: &Env,
        env: &RequestEnv,
        allows: Allows,
        reads: &Reads,
    ) -> Option<Counterexample> {
        let bundles = [self.active, self.candidate];
        let ways = grants::ways(bundles, env, &found.request);
        ways.iter().find_map(|grants| {
            let [active, candidate] = bundles.map(|it| decided(it, env, found, reads, grants));
            let allowed = |it: &Option<Counterexample>| it.as_ref().is_some_and(|it| it.allowed);
            let said = (allowed(&active), allowed(&candidate));
            let failed = |it: &Bundle, said: &Option<Counterexample>| {
                said.is_none() && asked_under(it, env).is_some()
            };
            if failed(self.active, &active)
                || failed(self.candidate, &candidate)
                || said != (allows == Allows::Active, allows == Allows::Candidate)
            {
                return None;
            }
            // Shown as the candidate is asked, so that it can be asked again.
            match (candidate, active) {
                (Some(here), Some(there)) => Some(here.beside(there)),
                (Some(here), None) => Some(here),
                (None, there) => there,
            }
        })
    }

    /// The zones that either reads.
    pub(super) fn zones(&self) -> Vec<String> {
        let all = self.active.zones().iter().chain(self.candidate.zones());
        all.cloned().collect::<BTreeSet<String>>().into_iter().collect()
    }
}

/// What `bundle` says to `found`; none if its schema does not admit it, or a policy fails on it.
fn decided(
    bundle: &Bundle,
    env: &RequestEnv,
    found: &Env,
    reads: &Reads,
    grants: &[Link],
) -> Option<Counterexample> {
    let action = asked_under(bundle, env)?;
    let (request, entities) = as_asked(bundle, &action, found)?;
    Counterexample::granted(bundle, &request, &entities, reads, grants)
}

/// `found` without what the schema of `bundle` does not know, under `action`.
fn as_asked(bundle: &Bundle, action: &EntityUid, found: &Env) -> Option<(Request, Entities)> {
    let Env { request, entities } = found;
    let mut context = request.context()?.to_json_value().ok()?;
    if request.action() != Some(action)
        && let Some(facts) = context.as_object_mut()
    {
        facts.remove("input");
    }
    if let Some(past) = context.get_mut("history").and_then(Value::as_object_mut) {
        past.retain(|name, _| bundle.past().facts().iter().any(|it| it.name == *name));
    }
    let schema = bundle.schema();
    let context = Context::from_json_value(context, Some((schema, action))).ok()?;
    let (principal, resource) = (request.principal()?.clone(), request.resource()?.clone());
    let request = Request::new(principal, action.clone(), resource, context, Some(schema)).ok()?;
    let known = entities.iter().filter(|it| {
        let name = it.uid();
        schema.entity_types().any(|it| it == name.type_name())
    });
    let actions = bundle.action_entities(action).iter();
    let entities = Entities::from_entities(known.chain(actions).cloned(), None).ok()?;
    Some((request, entities))
}
