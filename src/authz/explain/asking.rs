//! Asking again and again, within a budget, and remembering who said no.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use cedar_policy::{
    ActionConstraint, Effect, Entities, EntityUid, Policy, PolicySet, PrincipalConstraint, Request,
    ResourceConstraint,
};

use super::cure::{Cure, Cures, Possible};
use super::suppose::Supposed;
use super::{Pace, Reach};
use crate::authz::case::{Case, Unaskable};
use crate::policy::{Bundle, Reads};

/// What every search asks with.
pub struct Asking<'a> {
    pub bundle: &'a Bundle,
    pub reach: &'a Reach,
    pub possible: Possible,
    pace: Pace,
    asked: Cell<usize>,
    looks: Cell<usize>,
    budget: usize,
    began: Instant,
    /// Policies that stood in the way at some point: their literals are worth trying.
    seen: RefCell<BTreeSet<String>>,
    /// For each principal, the permits that are about such requests and look at something that can
    /// be moved.
    permits: RefCell<BTreeMap<EntityUid, BTreeSet<String>>>,
}

/// The budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent;

/// What became of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Allow,
    /// Each of these would have to be moved, by one of these changes.
    Deny(BTreeMap<Denier, Cures>),
    /// Nothing that can be supposed makes sense of it.
    Never,
}

/// Somebody who says no.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denier {
    /// A forbid, by its id.
    Forbid(String),
    /// No permit applies to this principal.
    NoPermit(EntityUid),
    /// The argument at this JSON pointer is not what policies were checked with.
    Unfit(String),
}

impl<'a> Asking<'a> {
    pub fn new(bundle: &'a Bundle, reach: &'a Reach, possible: Possible, pace: Pace) -> Self {
        let budget = pace.budget(possible.leaves);
        Asking {
            bundle,
            reach,
            possible,
            pace,
            asked: Cell::new(0),
            looks: Cell::new(0),
            budget,
            began: reach.clock.monotonic(),
            seen: RefCell::default(),
            permits: RefCell::default(),
        }
    }

    /// How many evaluations it took so far.
    pub fn asked(&self) -> usize {
        self.asked.get()
    }

    /// Whether everybody concerned is allowed it.
    pub fn allows(&self, case: &Case) -> Result<bool, Spent> {
        Ok(self.ask(case)? == Said::Allow)
    }

    /// The same of a request as it might be, however that turns out.
    pub fn allows_supposed(&self, supposed: &Supposed) -> Result<bool, Spent> {
        Ok(self.ask_supposed(supposed)? == Said::Allow)
    }

    /// What the policies say of a request as it might be: what is in the way of any way in which it
    /// may turn out.
    pub fn ask_supposed(&self, supposed: &Supposed) -> Result<Said, Spent> {
        match (self.ask(&supposed.case)?, &supposed.faded) {
            (Said::Allow, Some(faded)) => self.ask(faded),
            (said, _) => Ok(said),
        }
    }

    /// What the policies say, and what they would have to be shown instead.
    pub fn ask(&self, case: &Case) -> Result<Said, Spent> {
        for principal in case.principals() {
            self.spend()?;
            let outcome = match case.decide_for(principal, self.bundle) {
                Ok(it) => it,
                Err(Unaskable::Unfit(it)) => {
                    let of_it = Cures::from([Cure::Argument(it.pointer.clone())]);
                    let cures = of_it.intersection(&self.possible.cures).cloned().collect();
                    return Ok(Said::Deny([(Denier::Unfit(it.pointer), cures)].into()));
                }
                Err(_) => return Ok(Said::Never),
            };
            if !outcome.errors.is_empty() {
                return Ok(Said::Never);
            }
            if outcome.allow {
                continue;
            }
            if outcome.reasons.is_empty() {
                let permits = self.permits(case, principal);
                let cures = self.moving_any(&permits, case);
                self.seen.borrow_mut().extend(permits);
                let denier = Denier::NoPermit(principal.clone());
                return Ok(Said::Deny([(denier, cures)].into()));
            }
            let of_one = |id: &String| {
                let cures = self.moving_any(&[id.clone()].into(), case);
                (Denier::Forbid(id.clone()), cures)
            };
            let deniers = outcome.reasons.iter().map(of_one).collect();
            self.seen.borrow_mut().extend(outcome.reasons);
            return Ok(Said::Deny(deniers));
        }
        match case.others {
            Some(_) => Ok(Said::Allow),
            // Somebody who would have to be asked is gone, or gave no mandate.
            None => Ok(Said::Never),
        }
    }

    /// What the policies read that stood in the way so far.
    pub fn seen(&self, case: &Case) -> Vec<&'a Reads> {
        self.seen.borrow().iter().filter_map(|id| self.reads(id, case)).collect()
    }

    /// How many they are.
    pub fn seen_count(&self) -> usize {
        self.seen.borrow().len()
    }

    /// The policy that decides under this id: a grant is its template.
    pub fn reads(&self, id: &str, case: &Case) -> Option<&'a Reads> {
        super::reads(self.bundle, case, id)
    }

    /// Looks at one more combination of changes and values, whether or not it has to be asked about.
    pub fn look(&self) -> Result<(), Spent> {
        let looks = self.looks.get() + 1;
        self.looks.set(looks);
        if looks > self.pace.looks() { Err(Spent) } else { self.in_time() }
    }

    /// Whether there is time to go on.
    pub fn in_time(&self) -> Result<(), Spent> {
        if self.began.elapsed() >= self.pace.time() { Err(Spent) } else { Ok(()) }
    }

    fn spend(&self) -> Result<(), Spent> {
        let asked = self.asked.get() + 1;
        if asked > self.budget {
            return Err(Spent);
        }
        self.in_time()?;
        self.asked.set(asked);
        Ok(())
    }

    fn moving_any(&self, ids: &BTreeSet<String>, case: &Case) -> Cures {
        let reads = ids.iter().filter_map(|id| self.reads(id, case));
        reads.flat_map(|it| self.possible.moving(it)).collect()
    }

    /// The permits whose conditions alone keep them from applying to this principal's request, as
    /// far as anything could change that.
    fn permits(&self, case: &Case, principal: &EntityUid) -> BTreeSet<String> {
        if let Some(known) = self.permits.borrow().get(principal) {
            return known.clone();
        }
        let is_moved = |it: &Policy| {
            let reads = self.reads(it.id().as_ref(), case);
            reads.is_some_and(|it| !self.possible.moving(it).is_empty())
        };
        let slice = slice_for(case, principal, self.bundle);
        let all = slice.iter().flat_map(PolicySet::policies);
        let permits = all.filter(|it| it.effect() == Effect::Permit && is_moved(it));
        let found = in_scope(case, principal, self.bundle, permits);
        self.permits.borrow_mut().insert(principal.clone(), found.clone());
        found
    }
}

/// What all the policies about such requests of everybody concerned read.
pub fn read_by<'a>(case: &Case, bundle: &'a Bundle) -> Vec<&'a Reads> {
    let of_one = |principal: &EntityUid| {
        let kinds = (principal.type_name(), case.resource.type_name());
        let slice = bundle.slice(kinds.0, &action_of(case, bundle), kinds.1);
        slice.policies().filter_map(|it| bundle.reads(it.id().as_ref())).collect::<Vec<_>>()
    };
    let granted = case.links.iter().filter_map(|it| bundle.reads(&it.template));
    case.principals().flat_map(of_one).chain(granted).collect()
}

/// Under which action policies are asked: a tool may have one of its own.
fn action_of(case: &Case, bundle: &Bundle) -> EntityUid {
    case.typed_call(bundle).map_or_else(|| case.action.clone(), |it| it.action.clone())
}

/// The policies, and grants, that are about requests of this kind.
pub fn slice_for(case: &Case, principal: &EntityUid, bundle: &Bundle) -> Option<PolicySet> {
    let kinds = (principal.type_name(), case.resource.type_name());
    let links = case.links_of(principal);
    bundle.slice_with(kinds.0, &action_of(case, bundle), kinds.1, &links).ok()
}

/// Those of `policies` that are about this very request, whatever their conditions say of it.
pub fn in_scope<'a>(
    case: &Case,
    principal: &EntityUid,
    bundle: &Bundle,
    policies: impl IntoIterator<Item = &'a Policy>,
) -> BTreeSet<String> {
    let Ok((request, entities)) = case.request_for(principal, bundle) else {
        return BTreeSet::new();
    };
    let about = policies.into_iter().filter(|it| is_about(it, &request, &entities));
    about.map(|it| it.id().to_string()).collect()
}

/// Whether `policy` is about this request, whatever its conditions say of it.
pub fn is_about(policy: &Policy, request: &Request, entities: &Entities) -> bool {
    let named = (request.principal(), request.action(), request.resource());
    let (Some(principal), Some(action), Some(resource)) = named else { return false };
    let within =
        |it: &EntityUid, group: &EntityUid| it == group || entities.is_ancestor_of(group, it);
    let is_principal = match policy.principal_constraint() {
        PrincipalConstraint::Any => true,
        PrincipalConstraint::Eq(it) => *principal == it,
        PrincipalConstraint::In(it) => within(principal, &it),
        PrincipalConstraint::Is(kind) => *principal.type_name() == kind,
        PrincipalConstraint::IsIn(kind, it) => {
            *principal.type_name() == kind && within(principal, &it)
        }
    };
    let is_action = match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(it) => *action == it,
        ActionConstraint::In(groups) => groups.iter().any(|it| within(action, it)),
    };
    let is_resource = match policy.resource_constraint() {
        ResourceConstraint::Any => true,
        ResourceConstraint::Eq(it) => *resource == it,
        ResourceConstraint::In(it) => within(resource, &it),
        ResourceConstraint::Is(kind) => *resource.type_name() == kind,
        ResourceConstraint::IsIn(kind, it) => {
            *resource.type_name() == kind && within(resource, &it)
        }
    };
    is_principal && is_action && is_resource
}
