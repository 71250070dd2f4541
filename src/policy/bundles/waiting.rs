//! What was read from the directory and is good, but for the people and grants there are.

use std::sync::{Arc, Mutex, PoisonError};

use crate::policy::{Bundle, Fault};

/// The last such bundle, and what was against it when it was last tried.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Option<(Arc<Bundle>, Vec<Fault>)>>);

impl Waiting {
    pub(super) fn keep(&self, bundle: Arc<Bundle>, faults: Vec<Fault>) {
        self.set(Some((bundle, faults)));
    }

    /// The directory holds something else by now, or it was taken up.
    pub(super) fn forget(&self) {
        self.set(None);
    }

    pub(super) fn last(&self) -> Option<(Arc<Bundle>, Vec<Fault>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, waiting: Option<(Arc<Bundle>, Vec<Fault>)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }
}
