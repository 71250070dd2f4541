//! Calls that were made before under the same idempotency key: what there is to answer to one that
//! is sent again.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::invoke::{Ending, Invoked};
use crate::Result;
use crate::authz::Made;
use crate::clock::Clock;
use crate::error::Error;
use crate::store::{Database, Row};

/// What is known of an earlier call under the same key.
#[derive(Clone, Debug, Default)]
pub(super) enum Earlier {
    #[default]
    Nothing,
    /// The key was used for another call.
    Another,
    /// It has not ended, or nobody knows how.
    Begun {
        made: Made,
        may_end: bool,
    },
    Ended {
        made: Made,
        ending: Box<Ending>,
    },
}

/// Reads what became of calls.
pub struct Calls {
    db: Arc<dyn Database>,
    clock: Clock,
}

/// Keys are the caller's own: somebody else's of the same text is another.
pub(super) fn kept_key(principal: Uuid, key: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(principal.as_bytes());
    hash.update(key.as_bytes());
    hex::encode(hash.finalize())
}

impl Calls {
    pub fn new(db: Arc<dyn Database>, clock: Clock) -> Calls {
        Calls { db, clock }
    }

    /// What became of the call that this principal made under this key; `digest` is of the call
    /// that it is sent with now.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn earlier(
        &self,
        principal: Uuid,
        key: &str,
        digest: &str,
    ) -> Result<Earlier> {
        let now = self.clock.micros();
        let rows = self
            .db
            .query(
                "SELECT digest, state, answer, give_up_at, id, finished_at FROM calls
                 WHERE idempotency_key = $1 AND expires_at > $2",
                vec![kept_key(principal, key).into(), now.into()],
            )
            .await?;
        match rows.first() {
            None => Ok(Earlier::Nothing),
            Some(row) if row.text(0)? != digest => Ok(Earlier::Another),
            Some(row) => read(row, now),
        }
    }
}

fn read(row: &Row, now: i64) -> Result<Earlier> {
    let made = Made { decision: row.uuid(4)?, failed_at: None };
    match (row.text(1)?, row.opt_text(2)?) {
        ("ended", Some(answer)) => {
            let ending: Ending = serde_json::from_str(answer).map_err(anyhow::Error::from)?;
            let failed = ending.as_ref().map_or(true, |it| it.answered.is_error);
            let failed_at = row.opt_int(5)?.filter(|_| failed);
            Ok(Earlier::Ended { made: Made { failed_at, ..made }, ending: Box::new(ending) })
        }
        (state, _) => {
            let may_end = state == "sent" && row.int(3)? > now;
            Ok(Earlier::Begun { made, may_end })
        }
    }
}

impl Earlier {
    /// The call itself, where it is the same one.
    pub fn made(&self) -> Option<Made> {
        match self {
            Earlier::Nothing | Earlier::Another => None,
            Earlier::Begun { made, .. } | Earlier::Ended { made, .. } => Some(*made),
        }
    }

    /// What it was answered; none where there was none, and the call is to be made.
    ///
    /// # Errors
    /// What it was answered, where it failed; or the key was used for another call, or for one that
    /// has not ended or never will.
    pub fn answer(&self) -> Result<Option<Invoked>> {
        match self {
            Earlier::Nothing => Ok(None),
            Earlier::Another => Err(Error::Conflict(
                "this `Idempotency-Key` was used for another call; use a new one".into(),
            )),
            Earlier::Begun { may_end: true, .. } => {
                Err(Error::Conflict("the same call is still under way; ask again later".into()))
            }
            Earlier::Begun { may_end: false, .. } => Err(Error::OutcomeUnknown),
            Earlier::Ended { ending, .. } => match &**ending {
                Ok(it) => Ok(Some(it.clone())),
                Err(it) => Err(Error::Upstream(Box::new(it.clone()))),
            },
        }
    }
}
