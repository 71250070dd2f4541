//! What policies still ask once a credential is in somebody's hands: the moment of its use, and the
//! arguments. Worked out once per bundle, so that issuing a credential has little left to do.

mod timed;
mod tree;

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::pst::Clause;
use cedar_policy::{
    Effect, Entities, Entity, EntityTypeName, EntityUid, Policy, PolicySet, Schema,
};

use super::links::unlinked;
use super::slice::{Narrow, Slices};
use crate::authz::uid::{self, Kind};

pub use self::timed::{Reading, Timed};
pub use self::tree::{Comparison, Leaf, Operand, Tree};

/// The policies that can matter to one kind of request, parted.
#[derive(Debug)]
pub struct Residue {
    /// Those whose answer is the same at every use.
    still: Arc<PolicySet>,
    /// Their places in the bundle; none where grants are among them.
    places: Option<Vec<usize>>,
    /// The others.
    pub live: Vec<Live>,
}

/// A policy that reads what is not known before a credential is used.
#[derive(Debug)]
pub struct Live {
    pub policy: Policy,
    /// Its conditions, scope aside.
    pub tree: Tree,
}

/// By principal type and action; the resource is a tool.
pub(super) type Residues = HashMap<(EntityTypeName, EntityUid), Residue>;

/// The residues of every request for credentials and every call that `schema` knows.
pub(super) fn residues(
    schema: &Schema,
    slices: &Slices,
    actions: &HashMap<EntityUid, Vec<Entity>>,
) -> Residues {
    let (call, request) = (uid::action("call"), uid::action("request_credential"));
    let is_use = |action: &EntityUid| {
        let known = actions.get(action).into_iter().flatten();
        *action == request || known.into_iter().any(|it| it.uid() == call)
    };
    schema
        .request_envs()
        .filter(|env| env.resource() == Kind::Tool.type_name() && is_use(env.action()))
        .map(|env| {
            let slice = slices.get(env.principal(), env.action(), env.resource());
            let residue = Residue::of(slice);
            let is_still = |it: &Policy| residue.still.policy(it.id()).is_some();
            let places = Some(slices.places(&env, is_still));
            ((env.principal().clone(), env.action().clone()), Residue { places, ..residue })
        })
        .collect()
}

impl Residue {
    /// Parts `policies`, links among them.
    pub fn of(policies: &PolicySet) -> Residue {
        let mut still = PolicySet::new();
        let mut live = Vec::new();
        for policy in policies.policies() {
            // What cannot be taken apart is taken for one that nobody can foretell.
            match Tree::of(policy) {
                Tree::Frozen(_) if unlinked(policy).is_ok_and(|it| still.add(it).is_ok()) => {}
                tree => live.push(Live { policy: policy.clone(), tree }),
            }
        }
        Residue { still: Arc::new(still), places: None, live }
    }

    /// Those whose answer is the same at every use and that can matter to this principal, whose
    /// ancestors `entities` knows.
    pub(super) fn cut(
        &self,
        slices: &Slices,
        principal: &EntityUid,
        entities: &Entities,
    ) -> Arc<Narrow> {
        let above: Vec<_> = entities.ancestors(principal).into_iter().flatten().cloned().collect();
        match &self.places {
            Some(places) => slices.cut(places, &self.still, principal, &above),
            None => Arc::new(Narrow::uncut(self.still.clone())),
        }
    }
}

impl Live {
    /// Whether it allows where its conditions hold.
    pub fn permits(&self) -> bool {
        self.policy.effect() == Effect::Permit
    }
}

/// Every condition of a policy.
fn clauses(policy: &Policy) -> Option<Vec<Clause>> {
    policy.to_pst().ok().map(|it| it.body().clauses().clone())
}
