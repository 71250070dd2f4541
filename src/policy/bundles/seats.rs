//! Who may have a bundle checked now: few at once, and nobody more than one.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use crate::{Error, Result};

/// How many bundles are checked at once: each takes a core, and memory for what it parses.
const CHECKS_MAX: usize = 2;
/// How long whoever finds none free should wait, in seconds.
const TRY_AGAIN_SECONDS: u64 = 5;

#[derive(Debug)]
pub(super) struct Seats {
    free: Semaphore,
    /// Those who have one.
    seated: Mutex<BTreeSet<Uuid>>,
}

/// A seat, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat<'a> {
    seats: &'a Seats,
    by: Uuid,
    _place: SemaphorePermit<'a>,
}

impl Seats {
    pub(super) fn new() -> Seats {
        Seats { free: Semaphore::new(CHECKS_MAX), seated: Mutex::default() }
    }

    /// # Errors
    /// All are taken, or whoever asks has one.
    pub(super) fn take(&self, by: Uuid) -> Result<Seat<'_>> {
        let wait = || Error::TooMany { retry_after_seconds: TRY_AGAIN_SECONDS };
        let place = self.free.try_acquire().map_err(|_| wait())?;
        if !self.seated().insert(by) {
            return Err(wait());
        }
        Ok(Seat { seats: self, by, _place: place })
    }

    fn seated(&self) -> std::sync::MutexGuard<'_, BTreeSet<Uuid>> {
        self.seated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.seats.seated().remove(&self.by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_two_and_a_seat_is_free_again_once_it_is_left() {
        let seats = Seats::new();
        let [ann, bob, eve] = [1, 2, 3].map(Uuid::from_u128);
        let hers = seats.take(ann).unwrap();
        assert!(matches!(seats.take(ann), Err(Error::TooMany { .. })));
        let his = seats.take(bob).unwrap();
        assert!(matches!(seats.take(eve), Err(Error::TooMany { .. })));
        drop(hers);
        let again = seats.take(ann).unwrap();
        drop((his, again));
        seats.take(eve).unwrap();
    }
}
