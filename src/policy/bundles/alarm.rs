//! What is wrong with the policies on disk or in the store while the last good ones go on deciding.

use std::sync::{Mutex, PoisonError};

use crate::metrics;

/// On as long as there is trouble; each place is mended by itself.
#[derive(Debug, Default)]
pub(super) struct Alarm(Mutex<Troubles>);

#[derive(Debug, Default)]
struct Troubles {
    directory: Option<String>,
    store: Option<String>,
}

/// Where the trouble is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Directory,
    Store,
}

impl Place {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Place::Directory => "directory",
            Place::Store => "store",
        }
    }
}

impl Alarm {
    pub(super) fn raise(&self, place: Place, trouble: String) {
        self.set(place, Some(trouble));
    }

    pub(super) fn clear(&self, place: Place) {
        self.set(place, None);
    }

    /// What is wrong, if anything is: for anybody, so without what the policies say.
    pub(super) fn trouble(&self) -> Option<String> {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.store.clone().or_else(|| troubles.directory.clone())
    }

    fn set(&self, place: Place, trouble: Option<String>) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match place {
            Place::Directory => troubles.directory = trouble,
            Place::Store => troubles.store = trouble,
        }
        let on = troubles.directory.is_some() || troubles.store.is_some();
        metrics::policy_degraded(f64::from(u8::from(on)));
    }
}
