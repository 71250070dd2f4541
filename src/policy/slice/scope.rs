//! What the scope of a policy, or of a template, says of types and actions.

use std::collections::HashMap;

use cedar_policy::{
    ActionConstraint, Entity, EntityTypeName, EntityUid, Policy, PrincipalConstraint, RequestEnv,
    ResourceConstraint, Template, TemplatePrincipalConstraint, TemplateResourceConstraint,
};

/// Whom and what a policy's scope is about, as it is written.
#[derive(Debug)]
pub(in crate::policy) struct Ends {
    pub(in crate::policy) principal: PrincipalConstraint,
    pub(in crate::policy) resource: ResourceConstraint,
}

/// What a policy's or template's scope says about types and actions. None is anything.
#[derive(Debug)]
pub(in crate::policy) struct Scope {
    principal: Option<EntityTypeName>,
    action: ActionConstraint,
    resource: Option<EntityTypeName>,
    /// As they are written; none where a grant fills them in.
    pub(in crate::policy) ends: Option<Ends>,
    /// The entities that a template names in its scope besides actions.
    named: Vec<EntityUid>,
    /// True when neither principal, action nor resource is narrowed in any way.
    pub(in crate::policy) unlimited: bool,
}

impl Scope {
    pub(in crate::policy) fn of_policy(policy: &Policy) -> Scope {
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

    pub(in crate::policy) fn of_template(template: &Template) -> Scope {
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
    pub(in crate::policy) fn literals(&self) -> Vec<EntityUid> {
        let actions = match &self.action {
            ActionConstraint::Any => Vec::new(),
            ActionConstraint::Eq(it) => vec![it.clone()],
            ActionConstraint::In(them) => them.clone(),
        };
        self.named.iter().cloned().chain(actions).collect()
    }

    /// Whether the scope names `entity` as the principal or the resource, or what they are in.
    pub(in crate::policy) fn names(&self, entity: &EntityUid) -> bool {
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
    pub(in crate::policy) fn admits(
        &self,
        env: &RequestEnv,
        actions: &HashMap<EntityUid, Vec<Entity>>,
    ) -> bool {
        self.admits_types(env.principal(), env.resource())
            && self.admits_action(env.action(), actions)
    }

    /// Whether a principal and a resource of these types can be in scope.
    pub(in crate::policy) fn admits_types(
        &self,
        principal: &EntityTypeName,
        resource: &EntityTypeName,
    ) -> bool {
        self.principal.as_ref().is_none_or(|it| it == principal)
            && self.resource.as_ref().is_none_or(|it| it == resource)
    }

    /// Whether `action` can be in scope.
    pub(in crate::policy) fn admits_action(
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
