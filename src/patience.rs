//! Whether a request is waiting for somebody outside: a tool, a server that is probed, or an analysis
//! of policies. Nobody
//! waits long for this process and its store, and everybody as long as a tool may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

tokio::task_local! {
    static OUTSIDE: Arc<AtomicUsize>;
}

/// What one request is waiting for.
#[derive(Clone, Debug, Default)]
pub struct Patience(Arc<AtomicUsize>);

impl Patience {
    /// Does the work of the request, which may wait for somebody outside.
    pub async fn over<T>(self, work: impl Future<Output = T>) -> T {
        OUTSIDE.scope(self.0, Box::pin(work)).await
    }

    /// Whether it waits for somebody outside at this moment.
    pub fn is_asked_for(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// Waits for somebody outside. Of work that no request waits for, nobody has to know.
pub async fn outside<T>(work: impl Future<Output = T>) -> T {
    let _counted = OUTSIDE.try_with(|it| Counted::one_more(it.clone())).ok();
    // A call is a deep thing: on the heap it takes no stack of whoever waits for it.
    Box::pin(work).await
}

/// One more wait; one less when it is dropped, however it ended.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn one_more(count: Arc<AtomicUsize>) -> Counted {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_asks_for_patience_while_it_waits_for_somebody_outside() {
        let patience = Patience::default();
        let seen = patience.clone();
        let work = async {
            assert!(!seen.is_asked_for());
            let both = tokio::join!(
                outside(async { seen.is_asked_for() }),
                outside(async { seen.is_asked_for() }),
            );
            assert_eq!(both, (true, true));
            assert!(!seen.is_asked_for());
        };
        patience.clone().over(work).await;
        outside(async { assert!(!patience.is_asked_for()) }).await;
    }
}
