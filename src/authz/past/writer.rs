//! The writer of reservations: those that wait share one commit, and get their places in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::rows::{self, NewRow, TURN};
use crate::authz::Warrant;
use crate::clock::Clock;
use crate::store::{Batch, Database, Group, Result as StoreResult, Statement};
use crate::{Error, Result};

const GROUP_MAX: usize = 256;
const WAITING_MAX: usize = 4096;
/// Nobody waits longer for a place than this.
const WAIT_MAX: Duration = Duration::from_secs(5);
const DOWN: Error = Error::Unavailable { what: "the store" };

#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Job>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

enum Job {
    /// Tells the place that it got.
    Reserve { id: Uuid, rows: Vec<NewRow>, done: oneshot::Sender<i64> },
    /// Tells when it is done, if anybody waits for it.
    GiveBack { id: Uuid, done: Option<oneshot::Sender<()>> },
}

/// What one request has reserved. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: Uuid,
    /// Before whom it comes, and after whom.
    pub(super) seq: i64,
    /// The keys of the facts that it adds to.
    pub(super) facts: Vec<String>,
    writer: Option<Writer>,
}

impl Writer {
    pub(super) fn start(db: Arc<dyn Database>, clock: Clock) -> Writer {
        let (queue, jobs) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(db, clock, jobs));
        Writer { queue }
    }

    /// Reserves these rows, durably.
    ///
    /// # Errors
    /// The store did not say in time that it did.
    pub(super) async fn reserve(&self, id: Uuid, rows: Vec<NewRow>) -> Result<Held> {
        let facts = rows.iter().map(|it| it.fact.clone()).collect();
        let (done, place) = oneshot::channel();
        let got = async {
            self.queue.send(Job::Reserve { id, rows, done }).await.map_err(|_| DOWN)?;
            place.await.map_err(|_| DOWN)
        };
        let seq = timeout(WAIT_MAX, got).await.map_err(|_| DOWN)??;
        Ok(Held { id, seq, facts, writer: Some(self.clone()) })
    }
}

impl Held {
    /// Returns when it is given back; a store that does not answer ends the lease later.
    pub(super) async fn give_back(mut self) {
        let Some(writer) = self.writer.take() else { return };
        let (done, given) = oneshot::channel();
        let told = async {
            let job = Job::GiveBack { id: self.id, done: Some(done) };
            writer.queue.send(job).await.is_ok() && given.await.is_ok()
        };
        if !timeout(WAIT_MAX, told).await.unwrap_or(false) {
            tracing::warn!("what a refused request had reserved is kept until its lease ends");
        }
    }

    pub(super) fn settle(mut self) {
        self.writer = None;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(writer) = &self.writer {
            // With a queue that is full, or stopped, the lease does it.
            let _ = writer.queue.try_send(Job::GiveBack { id: self.id, done: None });
        }
    }
}

async fn run(db: Arc<dyn Database>, clock: Clock, mut jobs: mpsc::Receiver<Job>) {
    let mut waiting = Vec::with_capacity(GROUP_MAX);
    while jobs.recv_many(&mut waiting, GROUP_MAX).await > 0 {
        let unheard = write(&*db, &clock, std::mem::take(&mut waiting)).await;
        if unheard.is_empty() {
            continue;
        }
        // Whoever had asked for these is gone, or gave up.
        let back = unheard.into_iter().map(|id| Job::GiveBack { id, done: None }).collect();
        write(&*db, &clock, back).await;
    }
}

/// Commits one group; those of its reservations that nobody waits for any more.
async fn write(db: &dyn Database, clock: &Clock, jobs: Vec<Job>) -> Vec<Uuid> {
    let turn = match commit(db, clock, &jobs).await {
        Ok(turn) => turn,
        Err(error) => {
            // Those who wait learn it by their channels' end.
            tracing::error!(error = &error as &dyn std::error::Error, "nothing was reserved");
            return Vec::new();
        }
    };
    let mut unheard = Vec::new();
    for (place, job) in (0..).zip(jobs) {
        match job {
            Job::Reserve { id, done, .. } => {
                if done.send(turn * TURN + place).is_err() {
                    unheard.push(id);
                }
            }
            Job::GiveBack { done, .. } => {
                // Nobody may wait for it.
                if let Some(it) = done {
                    let _ = it.send(());
                }
            }
        }
    }
    unheard
}

/// The number of the turn.
#[expect(clippy::disallowed_methods, reason = "a reservation comes before its decision")]
async fn commit(db: &dyn Database, clock: &Clock, jobs: &[Job]) -> StoreResult<i64> {
    let warrant = Warrant::system("reserve_past", clock);
    let now = clock.micros();
    let mut batches = vec![Batch::new(&warrant, vec![rows::end_leases(now)])];
    for (place, job) in (0..).zip(jobs) {
        let statements = match job {
            Job::Reserve { id, rows, .. } => {
                rows.iter().map(|it| it.reserved(*id, place, now)).collect()
            }
            Job::GiveBack { id, .. } => vec![rows::give_back(*id)],
        };
        batches.push(Batch::new(&warrant, statements));
    }
    let turn = Arc::new(AtomicI64::new(0));
    let kept = turn.clone();
    let group = Group {
        guard: Statement::new(
            "UPDATE history_turn SET turn = turn + 1 WHERE id = 1 RETURNING turn",
        ),
        batches: Arc::new(batches),
        seal: Box::new(move |row, _| {
            kept.store(row.int(0)?, Ordering::Release);
            Ok(Vec::new())
        }),
    };
    // Ids are new: a batch that did not hold is a fault of ours, and then nobody is told a place.
    db.commit(group).await?.into_iter().collect::<StoreResult<Vec<()>>>()?;
    Ok(turn.load(Ordering::Acquire))
}
