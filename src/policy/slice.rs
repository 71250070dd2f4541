//! Policy slices: for each kind of request, the policies whose scope can match it.
//!
//! Cedar evaluates every policy it is given. A policy whose scope names another action, or a type
//! that the principal or the resource is not of, can neither decide nor fail, so leaving it out
//! changes no answer and no reason; the tests hold slices against the full set. Nor can a policy
//! about acting for another, where nobody does: most requests are cut a narrower slice for that.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, Entity, EntityTypeName, EntityUid, Policy, PolicySet, PrincipalConstraint,
    RequestEnv, ResourceConstraint, Schema, Template, TemplatePrincipalConstraint,
    TemplateResourceConstraint,
};

use super::syntax::first_asks_for;

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
    /// For requests whose context has no `delegation`.
    undelegated: Arc<PolicySet>,
}

/// A policy, and what it takes for it to matter.
struct Scoped<'a> {
    policy: &'a Policy,
    scope: Scope,
    is_about_delegation: bool,
}

/// The slices that come out the same, by the places of their policies.
struct Shared<'a> {
    all: &'a PolicySet,
    scoped: Vec<Scoped<'a>>,
    known: HashMap<Vec<usize>, Arc<PolicySet>>,
}

impl<'a> Shared<'a> {
    fn new(all: &'a PolicySet) -> Shared<'a> {
        let scoped = all.policies().map(|policy| Scoped {
            policy,
            scope: Scope::of_policy(policy),
            is_about_delegation: first_asks_for(policy, "delegation"),
        });
        Shared { all, scoped: scoped.collect(), known: HashMap::new() }
    }

    fn slice(&mut self, belongs: impl Fn(&Scoped<'_>) -> bool) -> Arc<PolicySet> {
        let scoped = &self.scoped;
        let places = scoped.iter().enumerate().filter(|(_, it)| belongs(it)).map(|(at, _)| at);
        let slice = self.known.entry(places.collect()).or_insert_with_key(|places| {
            let chosen = places.iter().filter_map(|at| scoped.get(*at));
            // Ids are unique in the set that the policies come from.
            let set = PolicySet::from_policies(chosen.map(|it| it.policy.clone()));
            Arc::new(set.unwrap_or_else(|_| self.all.clone()))
        });
        Arc::clone(slice)
    }
}

impl Slices {
    /// The slices of `policies`, one per request that `schema` admits. `actions` holds each action
    /// with its ancestors.
    pub(super) fn of(
        schema: &Schema,
        policies: &PolicySet,
        actions: &HashMap<EntityUid, Vec<Entity>>,
    ) -> Slices {
        let mut shared = Shared::new(policies);
        let mut by_action: HashMap<EntityUid, Vec<Slice>> = HashMap::new();
        for env in schema.request_envs() {
            let policies = shared.slice(|it| it.scope.admits(&env, actions));
            let undelegated =
                shared.slice(|it| !it.is_about_delegation && it.scope.admits(&env, actions));
            by_action.entry(env.action().clone()).or_default().push(Slice {
                principal: env.principal().clone(),
                resource: env.resource().clone(),
                policies,
                undelegated,
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
        self.find(principal, action, resource).map_or(&self.none, |it| &it.policies)
    }

    /// The same for a request whose context has no `delegation`.
    pub(super) fn get_undelegated(
        &self,
        principal: &EntityTypeName,
        action: &EntityUid,
        resource: &EntityTypeName,
    ) -> &PolicySet {
        self.find(principal, action, resource).map_or(&self.none, |it| &it.undelegated)
    }

    /// Whether the schema admits such a request.
    pub(super) fn admits(
        &self,
        principal: &EntityTypeName,
        action: &EntityUid,
        resource: &EntityTypeName,
    ) -> bool {
        self.find(principal, action, resource).is_some()
    }

    fn find(
        &self,
        principal: &EntityTypeName,
        action: &EntityUid,
        resource: &EntityTypeName,
    ) -> Option<&Slice> {
        let mut slices = self.by_action.get(action).into_iter().flatten();
        slices.find(|it| it.principal == *principal && it.resource == *resource)
    }
}

/// Whom and what a policy's scope is about, as it is written.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) principal: PrincipalConstraint,
    pub(super) resource: ResourceConstraint,
}

/// What a policy's or template's scope says about types and actions. None is anything.
#[derive(Debug)]
pub(super) struct Scope {
    principal: Option<EntityTypeName>,
    action: ActionConstraint,
    resource: Option<EntityTypeName>,
    /// As they are written; none where a grant fills them in.
    pub(super) ends: Option<Ends>,
    /// The entities that a template names in its scope besides actions.
    named: Vec<EntityUid>,
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
        let ends = Ends { principal: principal.clone(), resource: resource.clone() };
        Scope {
            ends: Some(ends),
            named: Vec::new(),
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
        use {TemplatePrincipalConstraint as Principal, TemplateResourceConstraint as Resource};
        let principal = match template.principal_constraint() {
            Principal::In(it) | Principal::Eq(it) | Principal::IsIn(_, it) => it,
            Principal::Any | Principal::Is(_) => None,
        };
        let resource = match template.resource_constraint() {
            Resource::In(it) | Resource::Eq(it) | Resource::IsIn(_, it) => it,
            Resource::Any | Resource::Is(_) => None,
        };
        Scope {
            ends: None,
            named: principal.into_iter().chain(resource).collect(),
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

    /// The entities that a template's scope names, actions among them.
    pub(super) fn literals(&self) -> Vec<EntityUid> {
        let actions = match &self.action {
            ActionConstraint::Any => Vec::new(),
            ActionConstraint::Eq(it) => vec![it.clone()],
            ActionConstraint::In(them) => them.clone(),
        };
        self.named.iter().cloned().chain(actions).collect()
    }

    /// Whether the scope names `entity` as the principal or the resource, or what they are in.
    pub(super) fn names(&self, entity: &EntityUid) -> bool {
        let Some(Ends { principal, resource }) = &self.ends else {
            return self.named.contains(entity);
        };
        let principal = match principal {
            PrincipalConstraint::In(it)
            | PrincipalConstraint::Eq(it)
            | PrincipalConstraint::IsIn(_, it) => Some(it),
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
        };
        let resource = match resource {
            ResourceConstraint::In(it)
            | ResourceConstraint::Eq(it)
            | ResourceConstraint::IsIn(_, it) => Some(it),
            ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
        };
        principal == Some(entity) || resource == Some(entity)
    }

    /// Whether a request of the kind `env` can be in scope.
    pub(super) fn admits(
        &self,
        env: &RequestEnv,
        actions: &HashMap<EntityUid, Vec<Entity>>,
    ) -> bool {
        self.admits_types(env.principal(), env.resource())
            && self.admits_action(env.action(), actions)
    }

    /// Whether a principal and a resource of these types can be in scope.
    pub(super) fn admits_types(
        &self,
        principal: &EntityTypeName,
        resource: &EntityTypeName,
    ) -> bool {
        self.principal.as_ref().is_none_or(|it| it == principal)
            && self.resource.as_ref().is_none_or(|it| it == resource)
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
