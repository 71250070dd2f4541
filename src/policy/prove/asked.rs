//! What Cedar itself says to a request that the solver found.

use cedar_policy::{Context, Entities, EntityUid, Request, RequestEnv};
use cedar_policy_symcc::Env;
use serde_json::Value;

use super::super::bundle::Bundle;
use super::super::invariants::{Counterexample, Elsewhere, Reads};
use super::super::links::Link;
use super::grants;
use super::ground::{Ground, asked_under};
use super::moment::at_moments;

/// Which of two bundles allows what is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allows {
    Candidate,
    Active,
}

impl Ground<'_> {
    /// A request like `found` that both bundles decide as `allows` says, by Cedar. It takes grants
    /// only where it is not found without, and shows what `reads` name.
    pub(super) fn confirmed(
        &self,
        found: &Env,
        env: &RequestEnv,
        allows: Allows,
        reads: &Reads,
    ) -> Option<Counterexample> {
        let (yes, no) = match allows {
            Allows::Candidate => (self.candidate, self.active),
            Allows::Active => (self.active, self.candidate),
        };
        // Shown as the candidate is asked, so that it can be asked again.
        let (shown, other) = match asked_under(self.candidate, env) {
            Some(_) => (self.candidate, self.active),
            None => (self.active, self.candidate),
        };
        let granted = grants::for_request([self.active, self.candidate], env, &found.request);
        let zones: Vec<String> = yes.zones().iter().chain(no.zones()).cloned().collect();
        for grants in [&[][..], granted.as_slice()] {
            for moment in at_moments(found, &zones) {
                let here = decided(shown, env, &moment, reads, grants)?;
                let there = match asked_under(other, env) {
                    Some(_) => Some(decided(other, env, &moment, reads, grants)?),
                    None => None,
                };
                let there_allowed = there.as_ref().is_some_and(|it| it.allowed);
                let shows_yes = std::ptr::eq(shown, yes);
                if here.allowed == shows_yes && there_allowed != shows_yes {
                    return Some(here.beside(there.map(Elsewhere::from)));
                }
            }
        }
        None
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

impl From<Counterexample> for Elsewhere {
    fn from(it: Counterexample) -> Elsewhere {
        Elsewhere { action: it.action, allowed: it.allowed, by: it.by }
    }
}
