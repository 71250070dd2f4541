//! Policy slices: for each kind of request, the policies whose scope can match it.
//!
//! Cedar evaluates every policy it is given. A policy whose scope names another action, or a type
//! that the principal or the resource is not of, can neither decide nor fail, so leaving it out
//! changes no answer and no reason; the tests hold slices against the full set. Nor can a policy
//! about acting for another, where nobody does: most requests are cut a narrower slice, see
//! [`Narrow`].

mod narrow;
mod scope;
mod sight;

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Entity, EntityTypeName, EntityUid, Policy, PolicySet, RequestEnv, Schema};
use moka::sync::Cache;

pub use self::narrow::Narrow;
pub(super) use self::scope::{Ends, Scope};
pub use self::sight::Sight;

use self::narrow::Scoped;
use super::links::set_of;
use super::syntax::first_asks_for;

/// Groups of principals that meet the same scopes: far more than any bundle tells apart.
const NARROW_MAX: u64 = 10_000;

/// Every slice of a bundle.
#[derive(Debug)]
pub(super) struct Slices {
    by_action: HashMap<EntityUid, Vec<Slice>>,
    none: PolicySet,
    /// Every policy; slices tell of them by their places here.
    scoped: Vec<Arc<Scoped>>,
    /// What was cut for somebody once, by the places of its policies.
    narrow: Cache<Vec<usize>, Arc<Narrow>>,
}

#[derive(Debug)]
struct Slice {
    principal: EntityTypeName,
    resource: EntityTypeName,
    places: Vec<usize>,
    /// The policies at these places, at the least.
    policies: Arc<PolicySet>,
    /// For requests whose context has no `delegation`.
    undelegated: Vec<usize>,
}

/// The slices that come out the same, by the places of their policies.
struct Shared<'a> {
    all: &'a PolicySet,
    scoped: &'a [Arc<Scoped>],
    known: HashMap<Vec<usize>, Arc<PolicySet>>,
}

impl Shared<'_> {
    fn slice(&mut self, places: &[usize]) -> Arc<PolicySet> {
        let slice = self.known.entry(places.to_vec()).or_insert_with(|| {
            let chosen = places.iter().filter_map(|at| self.scoped.get(*at));
            // Ids are unique in the set that the policies come from.
            let set = set_of(chosen.map(|it| &it.policy), self.all);
            Arc::new(set.unwrap_or_else(|| self.all.clone()))
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
        let scoped = |policy: &Policy| {
            let is_about_delegation = first_asks_for(policy, "delegation");
            Arc::new(Scoped::new(policy.clone(), is_about_delegation))
        };
        let scoped: Vec<_> = policies.policies().map(scoped).collect();
        let mut shared = Shared { all: policies, scoped: &scoped, known: HashMap::new() };
        let mut by_action: HashMap<EntityUid, Vec<Slice>> = HashMap::new();
        for env in schema.request_envs() {
            let admitted =
                scoped.iter().enumerate().filter(|(_, it)| it.scope.admits(&env, actions));
            let (mut places, mut undelegated) = (Vec::new(), Vec::new());
            for (at, it) in admitted {
                places.push(at);
                undelegated.extend((!it.is_about_delegation).then_some(at));
            }
            by_action.entry(env.action().clone()).or_default().push(Slice {
                principal: env.principal().clone(),
                resource: env.resource().clone(),
                policies: shared.slice(&places),
                places,
                undelegated,
            });
        }
        Slices { by_action, none: PolicySet::new(), scoped, narrow: Cache::new(NARROW_MAX) }
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

    /// The places of those that can matter to `env` and that `wanted` wants.
    pub(super) fn places(&self, env: &RequestEnv, wanted: impl Fn(&Policy) -> bool) -> Vec<usize> {
        let slice = self.find(env.principal(), env.action(), env.resource());
        let places = slice.into_iter().flat_map(|it| it.places.iter().copied());
        places.filter(|at| self.scoped.get(*at).is_some_and(|it| wanted(&it.policy))).collect()
    }

    /// What can matter to this principal, who does `action` in nobody else's name, for each type
    /// that it can be done to; `ancestors` is what the principal is in.
    pub(super) fn narrow(
        &self,
        principal: &EntityUid,
        ancestors: &[EntityUid],
        action: &EntityUid,
    ) -> Vec<(EntityTypeName, Arc<Narrow>)> {
        let slices = self.by_action.get(action).into_iter().flatten();
        let own = slices.filter(|it| it.principal == *principal.type_name());
        let cut = |it: &Slice| self.cut(&it.undelegated, &it.policies, principal, ancestors);
        own.map(|it| (it.resource.clone(), cut(it))).collect()
    }

    /// Of the policies at `places` those that can matter to this principal; `whole` holds all.
    pub(super) fn cut(
        &self,
        places: &[usize],
        whole: &Arc<PolicySet>,
        principal: &EntityUid,
        ancestors: &[EntityUid],
    ) -> Arc<Narrow> {
        let known = |at: &usize| self.scoped.get(*at).map(|it| (*at, it));
        let all = places.iter().filter_map(known);
        let met = all.filter(|(_, it)| it.is_met_by(principal, ancestors));
        let (places, policies): (Vec<usize>, Vec<_>) = met.map(|(at, it)| (at, it.clone())).unzip();
        self.narrow.get_with(places, || Arc::new(Narrow::of(policies, whole.clone())))
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
