//! The one clock: wall time for what is written down, and the only place that reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use uuid::{NoContext, Uuid};

/// Tells the time. Cloned freely; every clone of a manual clock moves together.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    manual_micros: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Clock {
        Clock::default()
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Clock {
        Clock { manual_micros: Some(Arc::new(AtomicI64::new(start.as_microsecond()))) }
    }

    /// Microseconds since the Unix epoch, UTC: how instants are stored.
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn micros(&self) -> i64 {
        match &self.manual_micros {
            Some(it) => it.load(Ordering::Acquire),
            None => Timestamp::now().as_microsecond(),
        }
    }

    /// The instant, to the microsecond.
    pub fn now(&self) -> Timestamp {
        instant(self.micros())
    }

    /// For measuring how long something took; moves on its own, whatever the wall clock does.
    pub fn monotonic(&self) -> std::time::Instant {
        std::time::Instant::now()
    }

    /// A new UUIDv7 (RFC 9562): ids sort by when they were made.
    pub fn new_id(&self) -> Uuid {
        let micros = self.micros().unsigned_abs();
        let nanos = (micros % 1_000_000) as u32 * 1_000;
        Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, micros / 1_000_000, nanos))
    }

    /// Moves a manual clock; the machine's clock stays as it is.
    pub fn advance(&self, seconds: i64) {
        if let Some(it) = &self.manual_micros {
            it.fetch_add(seconds * 1_000_000, Ordering::AcqRel);
        }
    }
}

/// A stored instant (microseconds since the epoch) as a timestamp; one that no calendar holds
/// becomes the nearest that it does.
pub fn instant(micros: i64) -> Timestamp {
    let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(nearest)
}
