//! Which policies this release was tested with: those that a bundle has from the starter bundle
//! need no search of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cedar_policy::{Effect, EntityUid, RequestEnv};

use super::super::bundle::Bundle;
use super::search::Effort;
use crate::authz::uid;

static STARTER: LazyLock<Option<Bundle>> = LazyLock::new(|| Bundle::starter().ok());

/// The policies of a bundle that stand in the starter bundle, word for word.
pub(super) struct Tested {
    same: BTreeSet<String>,
}

impl Tested {
    /// None under another schema, whose words may mean something else. One that only says more, such
    /// as the types of tools, is none.
    pub(super) fn of(bundle: &Bundle, effort: Effort) -> Tested {
        let nothing = Tested { same: BTreeSet::new() };
        let Some(starter) = &*STARTER else { return nothing };
        let schema = |it: &Bundle| -> Vec<String> {
            it.sources().schema.iter().map(|it| it.text.clone()).collect()
        };
        let theirs = schema(bundle);
        if effort != Effort::Changed || !schema(starter).iter().all(|it| theirs.contains(it)) {
            return nothing;
        }
        let texts = |it: &Bundle| -> BTreeMap<String, String> {
            it.policies().policies().map(|it| (it.id().to_string(), it.to_string())).collect()
        };
        let known = texts(starter);
        let same = texts(bundle).into_iter().filter(|(id, text)| known.get(id) == Some(text));
        Tested { same: same.map(|(id, _)| id).collect() }
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.same.contains(id)
    }

    /// Whether `bundle` has every policy of this effect that the starter bundle has for requests of
    /// this kind. A call with typed arguments is one like all others.
    pub(super) fn stand(&self, bundle: &Bundle, env: &RequestEnv, effect: Effect) -> bool {
        let slice = |it: &Bundle, action: &EntityUid| -> BTreeSet<String> {
            let slice = it.slice(env.principal(), action, env.resource());
            let ours = slice.policies().filter(|it| it.effect() == effect);
            ours.map(|it| it.id().to_string()).collect()
        };
        let Some(starter) = &*STARTER else { return false };
        let known = if bundle.is_typed_call(env.action()) {
            uid::action("invoke")
        } else {
            env.action().clone()
        };
        if starter.shape(&known).is_none() {
            return false;
        }
        let theirs = slice(bundle, env.action());
        slice(starter, &known).iter().all(|it| theirs.contains(it) && self.has(it))
    }
}

/// Invariants that the forbids of the starter bundle keep by themselves, whatever is permitted: a
/// test has the solver prove it.
pub(in crate::policy) const KEPT_BY_FORBIDS: [&str; 9] = [
    "promise.active",
    "promise.approval",
    "promise.scopes",
    "promise.ttl",
    "raise.act-for",
    "raise.approve",
    "raise.machines",
    "raise.power",
    "raise.self",
];
/// For requests to do this, the permits keep it.
const KEPT_BY_PERMITS: &str = "act_for";

pub(super) fn is_kept_by_forbids(claim: &str, env: &RequestEnv) -> bool {
    KEPT_BY_FORBIDS.contains(&claim) && *env.action() != uid::action(KEPT_BY_PERMITS)
}
