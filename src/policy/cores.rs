//! Work on all cores, on stacks that are large enough for whatever is within bounds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::bounds::STACK_BYTES;

/// What `work` makes of each of `items`, in their order.
pub(super) fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        while let Some((at, item)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).map(|it| (at, it))
        } {
            done.push((at, work(item)));
        }
        done
    };
    let cores = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let mut done = thread::scope(|scope| {
        let start = |_| {
            thread::Builder::new()
                .name("policy-test".to_owned())
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, take)
        };
        let workers: Vec<_> = (0..cores).map(start).collect();
        let joined = workers.into_iter().flatten().flat_map(|it| match it.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect::<Vec<_>>()
    });
    // Where no thread could be started, this one does it.
    done.extend(take());
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, it)| it).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_in_order() {
        let items: Vec<usize> = (0..1000).collect();
        let doubled = each(&items, |it| it * 2);
        assert_eq!(doubled, items.iter().map(|it| it * 2).collect::<Vec<_>>());
        assert!(each(&[] as &[usize], |it| *it).is_empty());
    }
}
