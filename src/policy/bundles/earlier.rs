//! Bundles that decided before, got ready again from the store for whoever asks why.

use std::sync::Arc;

use moka::sync::Cache;
use tokio::sync::Mutex;

use super::{Bundles, head};
use crate::Result;
use crate::policy::Bundle;

/// How many are kept ready: whoever looks back looks at decisions of one time, mostly.
const READY_MAX: u64 = 4;

/// Earlier bundles that are ready to be asked, by digest.
pub(super) struct Earlier {
    ready: Cache<String, Arc<Bundle>>,
    /// Held by whoever gets one ready, which takes a processor for a while: one at a time.
    turn: Mutex<()>,
}

impl Earlier {
    pub fn new() -> Earlier {
        Earlier { ready: Cache::new(READY_MAX), turn: Mutex::default() }
    }
}

impl Bundles {
    /// The bundle of this digest, ready to be asked; none where the store has none, or one that
    /// this release does not read as it was.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn of_digest(&self, digest: &str) -> Result<Option<Arc<Bundle>>> {
        let deciding = self.deciding().filter(|it| it.bundle.digest() == digest);
        if let Some(it) = deciding {
            return Ok(Some(it.bundle.clone()));
        }
        let _turn = self.earlier.turn.lock().await;
        if let Some(it) = self.earlier.ready.get(digest) {
            return Ok(Some(it));
        }
        let Some(stored) = self.with_digest(digest).await? else { return Ok(None) };
        let bundle = match head::load(&*self.db, stored.id).await? {
            Ok(it) if it.digest() == digest => it,
            Ok(_) => return Ok(None),
            Err(faults) => {
                let fault = faults.first().map(ToString::to_string);
                tracing::warn!(bundle = digest, fault, "an earlier bundle cannot be read any more");
                return Ok(None);
            }
        };
        self.earlier.ready.insert(digest.to_owned(), bundle.clone());
        Ok(Some(bundle))
    }
}
