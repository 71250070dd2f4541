//! Slices cut for one who asks: without the policies that are about others, and without the scopes
//! of the rest, which are met already.
//!
//! For each policy Cedar copies the whole condition, scope included, before it looks at the first
//! word of it. Scopes name entities that a principal or a resource is, or is in; which of them are
//! met is known without evaluating anything.

use std::sync::{Arc, OnceLock};

use cedar_policy::pst::{
    self, ActionConstraint as AnyAction, PrincipalConstraint as AnyPrincipal,
    ResourceConstraint as AnyResource, StaticPolicy,
};
use cedar_policy::{
    Entities, EntityUid, Policy, PolicySet, PrincipalConstraint, ResourceConstraint,
};

use super::scope::Scope;
use super::sight::Sight;

/// Different ends of resources that a slice is cut by, each of which doubles the number of cuts.
const ENDS_MAX: usize = 6;

/// A policy, and what it takes for it to matter.
#[derive(Debug)]
pub(super) struct Scoped {
    pub(super) policy: Policy,
    pub(super) scope: Scope,
    pub(super) is_about_delegation: bool,
    /// The policy without its scope.
    bare: OnceLock<Policy>,
    sight: OnceLock<Sight>,
}

/// What a scope wants a resource to be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Is(EntityUid),
    IsIn(EntityUid),
}

/// The policies that can matter when those ask who meet the same scopes.
#[derive(Debug)]
pub struct Narrow {
    policies: Vec<Arc<Scoped>>,
    /// These, and more that cannot matter.
    whole: Arc<PolicySet>,
    /// What scopes want of the resource.
    ends: Vec<End>,
    /// By the ends that the resource meets, one bit for each.
    cuts: Box<[OnceLock<Option<PolicySet>>]>,
    sight: OnceLock<Sight>,
}

impl Scoped {
    pub(super) fn new(policy: Policy, is_about_delegation: bool) -> Scoped {
        let scope = Scope::of_policy(&policy);
        let (bare, sight) = (OnceLock::new(), OnceLock::new());
        Scoped { policy, scope, is_about_delegation, bare, sight }
    }

    /// Whether the scope takes this principal, which is in all of `ancestors`. Its type is known to
    /// be right.
    pub(super) fn is_met_by(&self, principal: &EntityUid, ancestors: &[EntityUid]) -> bool {
        let Some(ends) = &self.scope.ends else { return true };
        match &ends.principal {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => true,
            PrincipalConstraint::Eq(it) => it == principal,
            PrincipalConstraint::In(it) | PrincipalConstraint::IsIn(_, it) => {
                it == principal || ancestors.contains(it)
            }
        }
    }

    fn end(&self) -> Option<End> {
        match &self.scope.ends.as_ref()?.resource {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
            ResourceConstraint::Eq(it) => Some(End::Is(it.clone())),
            ResourceConstraint::In(it) | ResourceConstraint::IsIn(_, it) => {
                Some(End::IsIn(it.clone()))
            }
        }
    }

    /// The same for whom its scope is met. One that cannot be written anew keeps its scope.
    fn bare(&self) -> &Policy {
        self.bare.get_or_init(|| unscoped(&self.policy).unwrap_or_else(|| self.policy.clone()))
    }

    fn sight(&self) -> &Sight {
        let ends = self.end().map(|(End::Is(it) | End::IsIn(it))| it);
        self.sight.get_or_init(|| Sight::of(&self.policy, ends))
    }
}

fn unscoped(policy: &Policy) -> Option<Policy> {
    let written = policy.to_pst().ok()?;
    let id = match &written {
        pst::Policy::Static(it) => it.id(),
        pst::Policy::Linked(it) => it.id(),
    };
    let (principal, action, resource) = (AnyPrincipal::Any, AnyAction::Any, AnyResource::Any);
    let bare = pst::Template::new(id.clone(), written.body().effect, principal, action, resource)
        .try_with_clauses(written.body().clauses().iter().cloned())
        .ok()?;
    let bare = StaticPolicy::try_from(bare).ok()?;
    Policy::from_pst(pst::Policy::Static(bare)).ok()
}

impl End {
    fn is_met_by(&self, resource: &EntityUid, entities: &Entities) -> bool {
        match self {
            End::Is(it) => it == resource,
            End::IsIn(it) => it == resource || entities.is_ancestor_of(it, resource),
        }
    }
}

impl Narrow {
    /// All of them, whoever asks about whatever.
    pub(in crate::policy) fn uncut(whole: Arc<PolicySet>) -> Narrow {
        let (policies, ends, cuts) = (Vec::new(), Vec::new(), Box::default());
        Narrow { policies, whole, ends, cuts, sight: OnceLock::from(Sight::Each) }
    }

    /// `whole` holds all of `policies`.
    pub(super) fn of(policies: Vec<Arc<Scoped>>, whole: Arc<PolicySet>) -> Narrow {
        let mut ends: Vec<End> = Vec::new();
        for end in policies.iter().filter_map(|it| it.end()) {
            if ends.len() < ENDS_MAX && !ends.contains(&end) {
                ends.push(end);
            }
        }
        let cuts = (0..1_usize << ends.len()).map(|_| OnceLock::new()).collect();
        Narrow { policies, whole, ends, cuts, sight: OnceLock::new() }
    }

    /// Those that can matter about `resource`, whose ancestors `entities` knows.
    pub fn about(&self, resource: &EntityUid, entities: &Entities) -> &PolicySet {
        let met = |bits: usize, (at, end): (usize, &End)| {
            bits | usize::from(end.is_met_by(resource, entities)) << at
        };
        let met = self.ends.iter().enumerate().fold(0, met);
        let cut = self.cuts.get(met).and_then(|it| it.get_or_init(|| self.cut(met)).as_ref());
        cut.unwrap_or(&self.whole)
    }

    /// None where it cannot be cut.
    fn cut(&self, met: usize) -> Option<PolicySet> {
        let is_met = |end: &End| {
            let at = self.ends.iter().position(|it| it == end)?;
            Some(met >> at & 1 == 1)
        };
        let of = |it: &'_ Arc<Scoped>| match it.end().map(|end| is_met(&end)) {
            None | Some(Some(true)) => Some(it.bare().clone()),
            Some(Some(false)) => None,
            // One end too many: Cedar looks for itself.
            Some(None) => Some(it.policy.clone()),
        };
        PolicySet::from_policies(self.policies.iter().filter_map(of)).ok()
    }

    /// What its policies can tell resources apart by.
    pub fn sight(&self) -> &Sight {
        self.sight.get_or_init(|| Sight::of_all(self.policies.iter().map(|it| it.sight())))
    }
}
