//! The one clock: wall time for what is written down, and the only place that reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

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
