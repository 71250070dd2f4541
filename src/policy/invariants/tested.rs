//! Which policies this release was tested with: those that a bundle has from the starter bundle
//! need no search of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cedar_policy::{Effect, RequestEnv};

use super::super::bundle::Bundle;
use super::search::Effort;

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

    /// Whether `bundle` has every forbid that the starter bundle has for requests of this kind.
    pub(super) fn guards(&self, bundle: &Bundle, env: &RequestEnv) -> bool {
        let slice = |it: &Bundle| -> BTreeSet<String> {
            let slice = it.slice(env.principal(), env.action(), env.resource());
            let forbids = slice.policies().filter(|it| it.effect() == Effect::Forbid);
            forbids.map(|it| it.id().to_string()).collect()
        };
        let Some(starter) = &*STARTER else { return false };
        if starter.shape(env.action()).is_none() {
            return false;
        }
        let theirs = slice(bundle);
        slice(starter).iter().all(|it| theirs.contains(it) && self.has(it))
    }
}
