//! Policy slices: for each kind of request, the policies whose scope can match it.
//!
//! Cedar evaluates every policy it is given. A policy whose scope names another action, or a type
//! that the principal or the resource is not of, can neither decide nor fail, so leaving it out
//! changes no answer and no reason; the tests hold slices against the full set.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, Entity, EntityTypeName, EntityUid, Policy, PolicySet, PrincipalConstraint,
    RequestEnv, ResourceConstraint, Schema, Template, TemplatePrincipalConstraint,
    TemplateResourceConstraint,
};

/// Every slice of a bundle.
#[derive(Debug)]
pub(super) struct Slices {
    by_action: HashMap<EntityUid, Vec<Slice>>,
    none: PolicySet,
}

#[derive(Debug)]
struct Slice {
    principal: EntityTypeName,
    resource: EntityTypeName,
    policies: Arc<PolicySet>,
}

impl Slices {
    /// The slices of `policies`, one per request that `schema` admits. `actions` holds each action
    /// with its ancestors.
    pub(super) fn of(
        schema: &Schema,
        policies: &PolicySet,
        actions: &HashMap<EntityUid, Vec<Entity>>,
    ) -> Slices {
        let scoped: Vec<(&Policy, Scope)> =
            policies.policies().map(|it| (it, Scope::of_policy(it))).collect();
        let mut shared: HashMap<Vec<usize>, Arc<PolicySet>> = HashMap::new();
        let mut by_action: HashMap<EntityUid, Vec<Slice>> = HashMap::new();
        for env in schema.request_envs() {
            let matching: Vec<usize> = scoped
                .iter()
                .enumerate()
                .filter(|(_, (_, scope))| scope.admits(&env, actions))
                .map(|(at, _)| at)
                .collect();
            let policies = shared.entry(matching).or_insert_with_key(|matching| {
                let chosen = matching.iter().filter_map(|at| scoped.get(*at));
                // Ids are unique in the set that the policies come from.
                let set = PolicySet::from_policies(chosen.map(|(it, _)| (*it).clone()));
                Arc::new(set.unwrap_or_else(|_| policies.clone()))
            });
            by_action.entry(env.action().clone()).or_default().push(Slice {
                principal: env.principal().clone(),
                resource: env.resource().clone(),
                policies: Arc::clone(policies),
            });
        }
        Slices { by_action, none: PolicySet::new() }
    }

    pub(super) fn actions(&self) -> impl Iterator<Item = &EntityUid> {
        self.by_action.keys()
    }

    /// No policy at all, hence a denial, for a request that the schema does not admit.
    pub(super) fn get(
        &self,
        principal: &EntityTypeName,
        action: &EntityUid,
        resource: &EntityTypeName,
    ) -> &PolicySet {
        self.by_action
            .get(action)
            .into_iter()
            .flatten()
            .find(|it| it.principal == *principal && it.resource == *resource)
            .map_or(&self.none, |it| &it.policies)
    }
}

/// What a policy's or template's scope says about types and actions. None is anything.
#[derive(Debug)]
pub(super) struct Scope {
    principal: Option<EntityTypeName>,
    action: ActionConstraint,
    resource: Option<EntityTypeName>,
    /// True when neither principal, action nor resource is narrowed in any way.
    pub(super) unlimited: bool,
}

impl Scope {
    pub(super) fn of_policy(policy: &Policy) -> Scope {
        let (principal, action, resource) = (
            policy.principal_constraint(),
            policy.action_constraint(),
            policy.resource_constraint(),
        );
        Scope {
            unlimited: principal == PrincipalConstraint::Any
                && action == ActionConstraint::Any
                && resource == ResourceConstraint::Any,
            principal: match principal {
                PrincipalConstraint::Is(name) | PrincipalConstraint::IsIn(name, _) => Some(name),
                PrincipalConstraint::Eq(uid) => Some(uid.type_name().clone()),
                PrincipalConstraint::Any | PrincipalConstraint::In(_) => None,
            },
            action,
            resource: match resource {
                ResourceConstraint::Is(name) | ResourceConstraint::IsIn(name, _) => Some(name),
                ResourceConstraint::Eq(uid) => Some(uid.type_name().clone()),
                ResourceConstraint::Any | ResourceConstraint::In(_) => None,
            },
        }
    }

    pub(super) fn of_template(template: &Template) -> Scope {
        Scope {
            unlimited: false,
            principal: match template.principal_constraint() {
                TemplatePrincipalConstraint::Is(name)
                | TemplatePrincipalConstraint::IsIn(name, _) => Some(name),
                _ => None,
            },
            action: template.action_constraint(),
            resource: match template.resource_constraint() {
                TemplateResourceConstraint::Is(name)
                | TemplateResourceConstraint::IsIn(name, _) => Some(name),
                _ => None,
            },
        }
    }

    /// Whether a request of the kind `env` can be in scope.
    pub(super) fn admits(
        &self,
        env: &RequestEnv,
        actions: &HashMap<EntityUid, Vec<Entity>>,
    ) -> bool {
        self.principal.as_ref().is_none_or(|it| it == env.principal())
            && self.resource.as_ref().is_none_or(|it| it == env.resource())
            && self.admits_action(env.action(), actions)
    }

    /// Whether `action` can be in scope.
    pub(super) fn admits_action(
        &self,
        action: &EntityUid,
        actions: &HashMap<EntityUid, Vec<Entity>>,
    ) -> bool {
        match &self.action {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(it) => it == action,
            ActionConstraint::In(groups) => actions
                .get(action)
                .is_some_and(|known| known.iter().any(|it| groups.contains(&it.uid()))),
        }
    }
}
