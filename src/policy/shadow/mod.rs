//! Shadow: live decisions are decided once more, under a candidate, beside the active bundle.
//!
//! No answer waits for it or depends on it. A decision is handed over by reference to one thread of
//! low priority; when that is behind by [`WAITING_MAX`] decisions, further ones are skipped, and
//! counted. Which bundle is shadowed stands in the store, so that every replica does it; what is
//! counted is counted by each.

mod kept;
mod live;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use uuid::Uuid;

pub use self::kept::{Counts, Seen};
pub use self::live::Live;

use self::kept::Kept;
use super::Bundle;
use crate::metrics;

/// Decisions that wait for the shadow; more are skipped. A few megabytes at most.
const WAITING_MAX: usize = 1_024;
/// The least a thread can ask for (`nice`).
const LOWEST: i32 = 19;

/// Which part of all decisions is decided again, in percent: 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample(u8);

/// What is shadowed.
#[derive(Clone, Debug)]
pub struct Shadowed {
    pub id: Uuid,
    pub bundle: Arc<Bundle>,
    pub sample: Sample,
    /// Since when, for all replicas.
    pub since: Timestamp,
}

/// Where decisions are handed over. There is one in a process.
#[derive(Default)]
pub struct Shadow {
    on: ArcSwapOption<On>,
}

/// A shadow at work. Its thread ends once the last decision that was handed over is decided.
struct On {
    shadowed: Shadowed,
    queue: SyncSender<Live>,
    kept: Arc<Mutex<Kept>>,
    /// Handed over to the thread.
    handed: AtomicU64,
    /// Never handed over.
    skipped: AtomicU64,
}

impl Sample {
    pub const ALL: Sample = Sample(100);

    /// None when it is no part of a hundred.
    pub fn percent(percent: u8) -> Option<Sample> {
        (1..=100).contains(&percent).then_some(Sample(percent))
    }

    pub fn as_percent(self) -> u8 {
        self.0
    }

    /// The last bits of an id are random: the same decision is in every sample or in none.
    fn holds(self, decision: Uuid) -> bool {
        decision.as_u128() % 100 < u128::from(self.0)
    }
}

impl Shadow {
    /// Shows a live decision to the shadow, if there is one: an atomic load where there is none.
    pub fn see(&self, decision: Uuid, live: impl FnOnce() -> Option<Live>) {
        let on = self.on.load();
        let Some(on) = &*on else { return };
        if !on.shadowed.sample.holds(decision) {
            return;
        }
        // Counted before it is there to be decided: none is decided that was not handed over.
        on.handed.fetch_add(1, Ordering::Relaxed);
        if live().is_none_or(|it| on.queue.try_send(it).is_err()) {
            on.handed.fetch_sub(1, Ordering::Relaxed);
            on.skipped.fetch_add(1, Ordering::Relaxed);
            metrics::shadow("skipped");
        }
    }

    /// Shadows this bundle from now on, and counts anew; nothing changes where it is shadowed
    /// already.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn cast(&self, shadowed: Shadowed) -> std::io::Result<()> {
        if self.shadowed().is_some_and(|it| it.is(&shadowed)) {
            return Ok(());
        }
        let (queue, waiting) = sync_channel::<Live>(WAITING_MAX);
        let kept = Arc::new(Mutex::new(Kept::default()));
        let (under, keep) = (shadowed.bundle.clone(), kept.clone());
        let work = move || {
            // Where that is refused it is a thread like others, and the queue is bounded all the same.
            let _ = rustix::process::nice(LOWEST);
            for live in waiting {
                let ended = live.under(&under);
                metrics::shadow(ended.as_str());
                keep.lock().unwrap_or_else(PoisonError::into_inner).take(ended);
            }
        };
        thread::Builder::new().name("policy-shadow".to_owned()).spawn(work)?;
        let (handed, skipped) = (AtomicU64::new(0), AtomicU64::new(0));
        self.on.store(Some(Arc::new(On { shadowed, queue, kept, handed, skipped })));
        Ok(())
    }

    /// Shadows nothing any more. What waits is still decided, and seen by nobody.
    pub fn lift(&self) {
        self.on.store(None);
    }

    /// What is shadowed here.
    pub fn shadowed(&self) -> Option<Shadowed> {
        self.on.load().as_ref().map(|it| it.shadowed.clone())
    }

    /// What came of it so far, in this process.
    pub fn seen(&self) -> Option<(Shadowed, Seen)> {
        let on = self.on.load_full()?;
        let kept = on.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.seen(on.handed.load(Ordering::Relaxed));
        let mut counts = kept.counts;
        counts.skipped += on.skipped.load(Ordering::Relaxed);
        Some((on.shadowed.clone(), Seen { counts, ..kept }))
    }
}

impl Shadowed {
    fn is(&self, other: &Shadowed) -> bool {
        (self.id, self.sample, self.since) == (other.id, other.sample, other.since)
            && self.bundle.digest() == other.bundle.digest()
    }
}
