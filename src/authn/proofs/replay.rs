//! Remembers which proofs were used, for as long as each could be used again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

/// One holder fills one shard and no other.
const SHARDS: usize = 16;
/// About 5 MB a shard; a holder may use a thousand proofs a second.
const USES_PER_SHARD_MAX: usize = 65_536;

/// One use of one proof.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// Whose proof it is: a key's thumbprint, a client's id.
    pub holder: &'a str,
    /// The proof's own `jti`.
    pub id: &'a str,
    /// The last instant at which it is accepted, in seconds since the epoch.
    pub until: i64,
}

/// Why a use is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("was used before")]
    Used,
    #[error("is over")]
    Over,
    /// Forgetting an older use to make room would let that one be used again.
    #[error("cannot be remembered now: too many were used at once")]
    Full,
}

/// The uses that one process saw. Bounded: when it is full it refuses rather than forgets.
pub struct ReplayMemory {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    /// Half a digest each: who finds two proofs of the same half has only refused themselves.
    seen: HashSet<[u8; 16]>,
    by_end: BinaryHeap<Reverse<(i64, [u8; 16])>>,
    /// The latest time this shard was told. A clock that goes back brings nothing back to life.
    latest: i64,
}

impl ReplayMemory {
    pub fn new() -> ReplayMemory {
        ReplayMemory { shards: Default::default() }
    }

    /// Notes a use at `now`, in seconds, unless it was noted before.
    pub fn admit(&self, it: Use<'_>, now: i64) -> Result<(), Refused> {
        let (shard, key) = place(&it);
        let Some(shard) = self.shards.get(shard) else { return Err(Refused::Full) };
        shard.lock().unwrap_or_else(PoisonError::into_inner).admit(key, it.until, now)
    }
}

impl Default for ReplayMemory {
    fn default() -> Self {
        ReplayMemory::new()
    }
}

impl Shard {
    fn admit(&mut self, key: [u8; 16], until: i64, now: i64) -> Result<(), Refused> {
        self.latest = self.latest.max(now);
        self.forget_what_is_over();
        if until < self.latest {
            return Err(Refused::Over);
        }
        if self.seen.contains(&key) {
            return Err(Refused::Used);
        }
        if self.seen.len() >= USES_PER_SHARD_MAX {
            return Err(Refused::Full);
        }
        self.seen.insert(key);
        self.by_end.push(Reverse((until, key)));
        Ok(())
    }

    fn forget_what_is_over(&mut self) {
        while let Some(Reverse((until, key))) = self.by_end.peek().copied() {
            if until >= self.latest {
                break;
            }
            self.by_end.pop();
            self.seen.remove(&key);
        }
    }
}

/// The shard by the holder, the key by holder and id; the length keeps them apart.
fn place(it: &Use<'_>) -> (usize, [u8; 16]) {
    let holder = Sha256::digest(it.holder);
    let shard = holder.first().map_or(0, |byte| usize::from(*byte) % SHARDS);
    let whole = Sha256::new().chain_update(holder).chain_update(it.id).finalize();
    let mut key = [0; 16];
    key.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    (shard, key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one<'a>(holder: &'a str, id: &'a str, until: i64) -> Use<'a> {
        Use { holder, id, until }
    }

    #[test]
    fn a_use_counts_once_per_holder_while_it_can() {
        let memory = ReplayMemory::new();
        assert_eq!(memory.admit(one("a", "1", 60), 0), Ok(()));
        assert_eq!(memory.admit(one("a", "1", 60), 60), Err(Refused::Used));
        assert_eq!(memory.admit(one("b", "1", 60), 60), Ok(()));
        assert_eq!(memory.admit(one("a", "1", 60), 61), Err(Refused::Over));
        assert_eq!(memory.admit(one("a", "1", 60), 0), Err(Refused::Over), "the clock went back");
    }

    #[test]
    fn a_full_shard_refuses_its_holder_until_something_is_over() {
        let memory = ReplayMemory::new();
        for n in 0..USES_PER_SHARD_MAX {
            memory.admit(one("busy", &n.to_string(), 60), 0).unwrap();
        }
        assert_eq!(memory.admit(one("busy", "more", 120), 60), Err(Refused::Full));
        assert_eq!(memory.admit(one("busy", "0", 60), 60), Err(Refused::Used), "not forgotten");
        assert_eq!(memory.admit(one("idle", "more", 120), 60), Ok(()));
        assert_eq!(memory.admit(one("busy", "more", 120), 61), Ok(()));
    }

    proptest! {
        /// Whatever the order, nothing is admitted twice before it is over.
        #[test]
        fn nothing_is_admitted_twice(uses in prop::collection::vec((0u8..4, 0i64..50), 1..200)) {
            let memory = ReplayMemory::new();
            let (mut admitted, mut latest) = (HashSet::new(), 0);
            for (id, now) in uses {
                latest = latest.max(now);
                let id = id.to_string();
                let result = memory.admit(one("holder", &id, 40), now);
                let expected = match (latest > 40, admitted.contains(&id)) {
                    (true, _) => Err(Refused::Over),
                    (false, true) => Err(Refused::Used),
                    (false, false) => Ok(()),
                };
                prop_assert_eq!(result, expected);
                admitted.insert(id);
            }
        }
    }
}
