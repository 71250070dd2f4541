//! Searching for what would help, where it keeps nobody waiting: off the threads that answer
//! requests, few searches at once, one for each caller, and each for so long.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::{task, time};
use uuid::Uuid;

use super::case::Case;
use super::explain::{self, Cured, Pace, Reach, SLOWER};
use crate::patience::outside;
use crate::policy::Bundle;
use crate::{Error, Result};

/// So many lines there are to wait in. Everybody has one, and nobody chooses which.
const LINES: usize = 256;
/// How long a denial waits for a seat; then it is told without what would help.
const DENIAL_WAITS: Duration = Duration::from_millis(500);
/// How long whoever asked for an explanation waits for one.
const EXPLANATION_WAITS: Duration = Duration::from_secs(3);
/// When it is worth asking for an explanation again, in seconds.
const TRY_AGAIN_SECONDS: u64 = 5;

/// Who may search now.
pub(super) struct Searches {
    denials: Seats,
    explanations: Seats,
}

/// A few places, and a line for each caller before them: whoever asks for much waits for itself.
struct Seats {
    free: Arc<Semaphore>,
    lines: Vec<Arc<Semaphore>>,
    chooses: RandomState,
}

/// A place, until it is dropped: it goes with the search, which goes on when its asker is gone.
pub struct Seat {
    _first_in_line: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Searches {
    /// One place for every two cores.
    pub(super) fn new() -> Searches {
        let places = (thread::available_parallelism().map_or(1, usize::from) / 2).max(1);
        Searches { denials: Seats::new(places), explanations: Seats::new(places) }
    }

    /// What would help `asker`; none where there was no place, so that nothing was looked for.
    pub(super) async fn cure(
        &self,
        asker: Uuid,
        (case, bundle): (Arc<Case>, Arc<Bundle>),
        reach: Reach,
    ) -> Option<Cured> {
        // Both the wait and the search end by themselves: no request is given up for them.
        let found = outside(async {
            let seat = self.denials.take(asker, DENIAL_WAITS).await?;
            let work = move || {
                let cured = explain::cure(&case, &bundle, &reach, Pace::Denial);
                drop(seat);
                cured
            };
            Some(task::spawn_blocking(work).await)
        });
        found.await?.inspect_err(|error| tracing::error!(%error, "a search for fixes stopped")).ok()
    }

    /// A place to explain something in.
    ///
    /// # Errors
    /// All are taken, and stay so.
    pub(super) async fn explaining(&self, asker: Uuid) -> Result<Seat> {
        let seat = outside(self.explanations.take(asker, EXPLANATION_WAITS)).await;
        seat.ok_or(Error::TooMany { retry_after_seconds: TRY_AGAIN_SECONDS })
    }
}

impl Seats {
    fn new(places: usize) -> Seats {
        let lines = (0..LINES).map(|_| Arc::new(Semaphore::new(1))).collect();
        Seats { free: Arc::new(Semaphore::new(places)), lines, chooses: RandomState::new() }
    }

    /// A place for `asker`, when one is free in time.
    async fn take(&self, asker: Uuid, waits: Duration) -> Option<Seat> {
        let at = usize::try_from(self.chooses.hash_one(asker) % LINES as u64).ok()?;
        let (line, free) = (self.lines.get(at)?.clone(), self.free.clone());
        let seat = async {
            let _first_in_line = line.acquire_owned().await.ok()?;
            Some(Seat { _first_in_line, _place: free.acquire_owned().await.ok()? })
        };
        time::timeout(waits * SLOWER, seat).await.ok()?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_asks_for_much_waits_for_itself_alone() {
        let seats = Seats::new(2);
        let (greedy, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        // Lines are chosen at random, and two may share one.
        let line = |it: Uuid| seats.chooses.hash_one(it) % LINES as u64;
        let first = seats.take(greedy, Duration::ZERO).await.unwrap();
        assert!(seats.take(greedy, Duration::ZERO).await.is_none());
        assert_eq!(seats.take(other, Duration::ZERO).await.is_some(), line(greedy) != line(other));
        drop(first);
        assert!(seats.take(greedy, Duration::ZERO).await.is_some());
    }

    #[tokio::test]
    async fn there_are_so_many_places_and_no_more() {
        let (seats, one, other) = (Seats::new(1), Uuid::from_u128(1), Uuid::from_u128(2));
        let taken = seats.take(one, Duration::ZERO).await.unwrap();
        assert!(seats.take(other, Duration::ZERO).await.is_none());
        drop(taken);
        assert!(seats.take(other, Duration::ZERO).await.is_some(), "who waited in vain is gone");
    }
}
