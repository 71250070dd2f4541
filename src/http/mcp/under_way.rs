//! The calls that are under way, so that their clients can take them back.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::RequestId;
use tokio_util::sync::CancellationToken;

type Key = (String, RequestId);

/// Calls by session and request id. Those of no session cannot be told from others', and are not
/// here.
#[derive(Default)]
pub struct UnderWay {
    calls: Mutex<HashMap<Key, CancellationToken>>,
}

/// One call, for as long as it lasts.
pub struct Entered {
    room: Arc<UnderWay>,
    key: Option<Key>,
    pub cancelled: CancellationToken,
}

impl UnderWay {
    /// Notes a call; none where one of the same id has not ended.
    pub fn enter(self: &Arc<Self>, session: Option<&str>, id: &RequestId) -> Option<Entered> {
        let cancelled = CancellationToken::new();
        let key = session.map(|it| (it.to_owned(), id.clone()));
        if let Some(key) = &key {
            match self.calls().entry(key.clone()) {
                Entry::Occupied(_) => return None,
                Entry::Vacant(it) => it.insert(cancelled.clone()),
            };
        }
        Some(Entered { room: self.clone(), key, cancelled })
    }

    /// Takes a call back, if there is such a one.
    pub fn cancel(&self, session: Option<&str>, id: &RequestId) {
        let Some(session) = session else { return };
        if let Some(call) = self.calls().get(&(session.to_owned(), id.clone())) {
            call.cancel();
        }
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<Key, CancellationToken>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.room.calls().remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_taken_back_by_its_own_session_alone() {
        let room = Arc::new(UnderWay::default());
        let id = RequestId::Number(1);
        let call = room.enter(Some("a"), &id).unwrap();
        assert!(room.enter(Some("a"), &id).is_none(), "an id names one call");
        let other = room.enter(Some("b"), &id).unwrap();
        let nobodys = room.enter(None, &id).unwrap();
        for session in [None, Some("c")] {
            room.cancel(session, &id);
        }
        room.cancel(Some("a"), &RequestId::String("1".into()));
        assert!(!call.cancelled.is_cancelled());
        room.cancel(Some("a"), &id);
        assert!(call.cancelled.is_cancelled());
        assert!(!other.cancelled.is_cancelled() && !nobodys.cancelled.is_cancelled());
        drop(call);
        assert!(room.enter(Some("a"), &id).is_some());
    }
}
