//! Telling those who listen of approvals as they come and change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::approval::columns;
use super::{Approval, Approvals, FollowApprovals};
use crate::authz::Permit;
use crate::{Error, Result};

/// Nobody listens longer than this at a stretch: whoever still wants to know comes again, and is
/// looked at anew.
pub const SEAT_TIME_MAX: Duration = Duration::from_secs(300);

const SEATS_MAX: usize = 64;
const SEATS_OF_ONE_MAX: usize = 4;
/// How long to wait before another try, when there was no seat.
const RETRY_SECONDS: u64 = 30;
/// How many changes a listener may lag behind.
const LAG_MAX: usize = 256;
/// How far back a look at the store goes: clocks of replicas differ, and commits take time.
const OVERLAP: i64 = 10 * 1_000_000;
const FOUND_MAX: i64 = 500;

/// Who listens, and what they were told.
pub(super) struct News {
    stir: Notify,
    told: broadcast::Sender<Arc<Approval>>,
    seats: Arc<Mutex<HashMap<Uuid, usize>>>,
    pub(super) closing: CancellationToken,
}

impl Default for News {
    fn default() -> News {
        News {
            stir: Notify::new(),
            told: broadcast::channel(LAG_MAX).0,
            seats: Arc::default(),
            closing: CancellationToken::new(),
        }
    }
}

impl News {
    /// Something has changed: look at once.
    pub(super) fn stir(&self) {
        self.stir.notify_one();
    }

    pub(super) async fn stirred(&self) {
        self.stir.notified().await;
    }
}

/// What has been told of late: the revisions, and when they were seen.
#[derive(Default)]
pub(super) struct Told(HashMap<Uuid, (i64, i64)>);

/// A listener's place; it is free again when this is dropped.
pub struct Following {
    told: broadcast::Receiver<Arc<Approval>>,
    closing: CancellationToken,
    _seat: Seat,
}

struct Seat {
    principal: Uuid,
    seats: Arc<Mutex<HashMap<Uuid, usize>>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = seats.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                seats.remove(&self.principal);
            }
        }
    }
}

impl Following {
    /// The next that comes or changes, whoever may see it; none when the listener lags too far
    /// behind, or the server stops.
    pub async fn next(&mut self) -> Option<Arc<Approval>> {
        tokio::select! {
            () = self.closing.cancelled() => None,
            told = self.told.recv() => told.ok(),
        }
    }
}

impl Approvals {
    /// A seat among those who are told.
    ///
    /// # Errors
    /// [`Error::TooMany`] where all are taken, or the principal has as many as anybody may.
    pub fn follow(&self, permit: &Permit<FollowApprovals>) -> Result<Following> {
        let principal = permit.caller().principal().id();
        let mut seats = self.news.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let own = seats.get(&principal).copied().unwrap_or_default();
        if own >= SEATS_OF_ONE_MAX || seats.values().sum::<usize>() >= SEATS_MAX {
            return Err(Error::TooMany { retry_after_seconds: RETRY_SECONDS });
        }
        seats.insert(principal, own + 1);
        Ok(Following {
            told: self.news.told.subscribe(),
            closing: self.news.closing.clone(),
            _seat: Seat { principal, seats: self.news.seats.clone() },
        })
    }

    /// What is pending now, oldest first.
    pub async fn pending(&self) -> Result<Vec<Arc<Approval>>> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM approvals WHERE state = 'pending' AND expires_at > $1 ORDER BY id LIMIT $2"
        );
        self.select(SQL, vec![self.clock.micros().into(), FOUND_MAX.into()]).await
    }

    /// Looks for what has changed, here or in another process, and tells it.
    pub(super) async fn tell(&self, told: &mut Told) -> Result<()> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM approvals WHERE updated_at >= $1 ORDER BY updated_at LIMIT $2"
        );
        let now = self.clock.micros();
        if self.news.told.receiver_count() == 0 {
            told.0.clear();
            return Ok(());
        }
        let found = self.select(SQL, vec![(now - OVERLAP).into(), FOUND_MAX.into()]).await?;
        told.0.retain(|_, (_, seen_at)| *seen_at > now - 2 * OVERLAP);
        for approval in found {
            let known = told.0.insert(approval.id, (approval.revision, now));
            if known.is_none_or(|(revision, _)| revision != approval.revision) {
                // Whoever has just gone is not told.
                let _ = self.news.told.send(approval);
            }
        }
        Ok(())
    }
}
