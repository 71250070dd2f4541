//! Grants that may be in force: of each template that permits, one to anybody for anything.
//!
//! If nothing that a bundle allows under all of these is denied by another, and nothing without any,
//! then nothing is that it allows under those that there are: a grant that permits something
//! permits it in both.

use cedar_policy::{
    Effect, EntityUid, Policy, PolicyId, PolicySet, Request, RequestEnv, SlotId, Template,
};
use serde_json::{Value, json};

use super::super::bundle::Bundle;
use super::super::links::Link;
use super::super::slice::Scope;
use super::ground::asked_under;
use crate::authz::uid::Reference;

/// The templates that grants can stand on today and that can permit requests of the kind `env`: of the
/// candidate, those that the active bundle has as well.
fn templates<'a>(
    [active, bundle]: [&'a Bundle; 2],
    env: &RequestEnv,
) -> impl Iterator<Item = &'a Template> {
    let action = asked_under(bundle, env);
    let (principal, resource) = (env.principal().clone(), env.resource().clone());
    let matters = move |it: &&Template| {
        let scope = Scope::of_template(it);
        it.effect() == Effect::Permit
            && active.meta(it.id().as_ref()).is_some_and(|it| it.template)
            && scope.admits_types(&principal, &resource)
            && action.as_ref().is_some_and(|it| bundle.admits_action(&scope, it))
    };
    bundle.policies().templates().filter(matters)
}

/// `set` with what templates would permit about requests of the kind `env`, were everything granted
/// to everybody; none where they permit nothing.
///
/// # Errors
/// A template that cannot be taken apart.
pub(super) fn all_granted(
    set: &PolicySet,
    bundles: [&Bundle; 2],
    env: &RequestEnv,
) -> Result<Option<PolicySet>, String> {
    let mut all = set.clone();
    let mut any = false;
    for template in templates(bundles, env) {
        all.add(to_anybody(template)?).map_err(|it| it.to_string())?;
        any = true;
    }
    Ok(any.then_some(all))
}

/// The template with nothing in the place of its slots.
fn to_anybody(template: &Template) -> Result<Policy, String> {
    let mut json = template.to_json().map_err(|it| it.to_string())?;
    for end in ["principal", "resource"] {
        if let Some(scope) = json.get_mut(end) {
            if scope.get("slot").is_some() {
                *scope = json!({ "op": "All" });
            }
            let within = scope.get("in").and_then(|it| it.get("slot")).is_some();
            if let Some(scope) = scope.as_object_mut().filter(|_| within) {
                scope.remove("in");
            }
        }
    }
    if let Some(annotations) = json.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.clear();
    }
    let id = PolicyId::new(format!("any {}", template.id()));
    Policy::from_json(Some(id), json).map_err(|it| it.to_string())
}

/// The grants that could be in force for `request`: none, each of those that could permit it, and all
/// of them.
pub(super) fn ways(bundles: [&Bundle; 2], env: &RequestEnv, request: &Request) -> Vec<Vec<Link>> {
    let slot = |template: &Template, slot: SlotId, of: Option<&EntityUid>| {
        let asked = template.slots().any(|it| *it == slot);
        of.filter(|_| asked).map(|it| Reference(it.clone()))
    };
    let link = |template: &Template| Link {
        id: format!("{}#example", template.id()),
        template: template.id().to_string(),
        principal: slot(template, SlotId::principal(), request.principal()),
        resource: slot(template, SlotId::resource(), request.resource()),
    };
    let all: Vec<Link> = templates(bundles, env).map(link).collect();
    let each = all.iter().cloned().map(|it| vec![it]);
    let mut ways: Vec<Vec<Link>> = [Vec::new()].into_iter().chain(each).collect();
    ways.push(all);
    ways
}
