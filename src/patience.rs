//! Whether a request is waiting for somebody outside: a tool, a server that is probed, or an
//! analysis of policies. Nobody waits long for this process and its store, and everybody as long as
//! a tool may take.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static OUTSIDE: Patience;
}

/// What one request is waiting for.
#[derive(Clone, Debug, Default)]
pub struct Patience(Arc<Mutex<Waits>>);

#[derive(Debug, Default)]
struct Waits {
    under_way: usize,
    /// When the last of them was over.
    back_at: Option<Instant>,
}

impl Patience {
    /// Does the work of the request, which may wait for somebody outside.
    pub async fn over<T>(self, work: impl Future<Output = T>) -> T {
        OUTSIDE.scope(self, Box::pin(work)).await
    }

    /// How much longer to wait for a request that this process was given `own` time for, once that
    /// is over: none where it took all of it for itself. What it does after it was outside has that
    /// time anew.
    pub fn left(&self, own: Duration) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).left(own, Instant::now())
    }

    fn count(&self, change: impl FnOnce(&mut Waits)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Waits {
    fn left(&self, own: Duration, now: Instant) -> Option<Duration> {
        match (self.under_way, self.back_at) {
            (0, None) => None,
            (0, Some(back)) => own.checked_sub(now - back).filter(|it| !it.is_zero()),
            _ => Some(own),
        }
    }
}

/// Waits for somebody outside. Of work that no request waits for, nobody has to know.
pub async fn outside<T>(work: impl Future<Output = T>) -> T {
    let _counted = OUTSIDE.try_with(|it| Counted::one_more(it.clone())).ok();
    // A call is a deep thing: on the heap it takes no stack of whoever waits for it.
    Box::pin(work).await
}

/// One more wait; one less when it is dropped, however it ended.
struct Counted(Patience);

impl Counted {
    fn one_more(of: Patience) -> Counted {
        of.count(|it| it.under_way += 1);
        Counted(of)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count(|it| {
            it.under_way -= 1;
            it.back_at = Some(Instant::now());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Duration = Duration::from_secs(3);

    #[tokio::test]
    async fn a_request_is_waited_for_while_somebody_outside_is() {
        let patience = Patience::default();
        let seen = patience.clone();
        let work = async {
            assert_eq!(seen.left(OWN), None);
            let both =
                tokio::join!(outside(async { seen.left(OWN) }), outside(async { seen.left(OWN) }),);
            assert_eq!(both, (Some(OWN), Some(OWN)));
            assert!(
                seen.left(OWN).is_some_and(|it| it <= OWN),
                "back, with its own time before it"
            );
        };
        patience.clone().over(work).await;
        assert_eq!(patience.left(Duration::ZERO), None);
        let other = Patience::default();
        outside(async { assert_eq!(other.left(OWN), None) }).await;
    }

    #[test]
    fn whoever_comes_back_from_outside_has_all_its_own_time_before_it() {
        let (back, ms) = (Instant::now(), Duration::from_millis(1));
        let waits = Waits { under_way: 0, back_at: Some(back) };
        assert_eq!(waits.left(OWN, back), Some(OWN));
        assert_eq!(waits.left(OWN, back + OWN - ms), Some(ms));
        assert_eq!(waits.left(OWN, back + OWN), None);
        assert_eq!(waits.left(OWN, back + 2 * OWN), None);
        let again = Waits { under_way: 1, ..waits };
        assert_eq!(again.left(OWN, back + 2 * OWN), Some(OWN));
    }
}
