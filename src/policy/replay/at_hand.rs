//! What is known of the bundles that decided what is asked again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::policy::{Bundle, Declared};

/// By digest: some bundles, to ask a record's own whether it reproduces; and of more of them what
/// their facts of the past counted.
#[derive(Default)]
pub struct AtHand {
    bundles: BTreeMap<String, Arc<Bundle>>,
    declared: BTreeMap<String, Declared>,
}

impl AtHand {
    /// Where nothing is known but the declarations of these.
    pub fn knowing(declared: BTreeMap<String, Declared>) -> AtHand {
        AtHand { bundles: BTreeMap::new(), declared }
    }

    /// The same with this bundle.
    pub fn with(mut self, bundle: Arc<Bundle>) -> AtHand {
        self.bundles.insert(bundle.digest().to_owned(), bundle);
        self
    }

    /// The bundle of this digest.
    pub fn bundle(&self, digest: &str) -> Option<&Bundle> {
        self.bundles.get(digest).map(Arc::as_ref)
    }

    /// What the bundle of this digest counted.
    pub fn declared(&self, digest: &str) -> Option<&Declared> {
        self.bundle(digest).map(Bundle::past).or_else(|| self.declared.get(digest))
    }
}
