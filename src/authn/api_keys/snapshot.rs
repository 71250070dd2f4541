//! All API keys at one instant: immutable, shared, swapped whole.

use std::sync::Arc;

use imbl::HashMap;
use uuid::Uuid;

use super::key::{ApiKey, PrincipalId, State};
use super::secret::SecretHash;

/// Cheap to clone: copies share all but what changed.
#[derive(Clone, Default)]
pub struct Snapshot {
    /// Revoked ones, too: an older revision that arrives late must not bring a key back.
    keys: HashMap<Uuid, Arc<ApiKey>>,
    hashes: HashMap<SecretHash, Uuid>,
}

impl Snapshot {
    /// One that is not revoked.
    pub fn key(&self, id: Uuid) -> Option<&Arc<ApiKey>> {
        self.keys.get(&id).filter(|it| it.state != State::Revoked)
    }

    /// Those that are not revoked, in order of id, which is the order of making.
    pub fn keys(&self) -> Vec<Arc<ApiKey>> {
        let live = self.keys.values().filter(|it| it.state != State::Revoked);
        let mut all: Vec<_> = live.cloned().collect();
        all.sort_unstable_by_key(|it| it.id);
        all
    }

    /// How many that are not revoked stand for `principal`.
    pub fn count_of(&self, principal: PrincipalId) -> usize {
        let live = self.keys.values().filter(|it| it.state != State::Revoked);
        live.filter(|it| it.principal == principal).count()
    }

    /// The key that has, or had before its last rotation, the text with this hash.
    pub(super) fn find(&self, hash: SecretHash) -> Option<&Arc<ApiKey>> {
        self.key(*self.hashes.get(&hash)?)
    }

    /// Takes the key in, unless a later revision is already here.
    pub(super) fn put(&mut self, key: Arc<ApiKey>) {
        if let Some(before) = self.keys.get(&key.id) {
            if before.revision >= key.revision {
                return;
            }
            for hash in hashes(before) {
                self.hashes.remove(&hash);
            }
        }
        if key.state != State::Revoked {
            for hash in hashes(&key) {
                self.hashes.insert(hash, key.id);
            }
        }
        self.keys.insert(key.id, key);
    }
}

fn hashes(key: &ApiKey) -> impl Iterator<Item = SecretHash> {
    std::iter::once(key.hash).chain(key.previous.map(|it| it.hash))
}
