//! The one way to write: effect, audit entry and settled reservation go down in one commit.
//!
//! Waiting commits are grouped: while one group is on its way to the disk the next gathers, so a
//! lone commit waits for nobody and a crowd shares one fsync and one signature.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::Signer;
use super::entry::{Entry, Outcome};
use super::head::{self, Standing};
use super::tree::leaf;
use crate::authz::quota::Reservation;
use crate::authz::{Record, Warrant};
use crate::clock::Clock;
use crate::store::{Batch, Database, Error as StoreError, Group, Row, Statement};
use crate::{Error, Result, metrics};

const GROUP_MAX: usize = 256;
const WAITING_MAX: usize = 4096;
/// Nobody waits longer for a turn than this.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Between two looks at a store that did not say how a commit ended.
const PAUSE: Duration = Duration::from_millis(100);

/// Writes batches together with their audit entries, in the order of the tree.
#[derive(Clone)]
pub struct Ledger {
    queue: mpsc::Sender<Job>,
}

struct Job {
    batch: Batch,
    entry: Entry,
    claim: Arc<Claim>,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// Who was first: the writer that begins a job, or the caller that gives it up.
#[derive(Default)]
struct Claim(AtomicBool);

impl Claim {
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

impl Ledger {
    /// Starts the writer where the stored tree ends. It stops when the last handle is dropped.
    pub async fn start(
        db: Arc<dyn Database>,
        signer: Arc<Signer>,
        clock: Clock,
    ) -> Result<Ledger, StoreError> {
        let standing = Standing::load(&*db, &signer).await?;
        let (queue, jobs) = mpsc::channel(WAITING_MAX);
        tokio::spawn(Writer { db, signer, clock, standing }.run(jobs));
        Ok(Ledger { queue })
    }

    /// Writes `statements` and the warrant's entry in one transaction, durably.
    ///
    /// A missed compare-and-set is [`Error::Conflict`]; the entry is then written with that outcome.
    /// What was begun is waited for until it is known how it ended, so that memory never says other
    /// than the store; what was not begun in time never happens.
    pub async fn commit(&self, warrant: &Warrant, mut statements: Vec<Statement>) -> Result<()> {
        let record = warrant.record();
        let Some(open) = record.take() else {
            return Err(Error::internal("a warrant is good for one commit"));
        };
        if let Some(it) = &open.reservation {
            statements.extend(it.statements());
        }
        let (outcome, at, id) = (open.entry.outcome, open.entry.at, open.entry.id);
        statements.extend(open.recorded.statements(outcome, at.as_microsecond(), id));
        let written = self.submit(Batch::new(warrant, statements), open.entry).await;
        // Only a batch that was certainly undone gives its use back.
        if let Ok(()) | Err(StoreError::Stopped) = &written {
            open.reservation.into_iter().for_each(Reservation::settle);
            open.recorded.settle();
        }
        written.map_err(Error::from)
    }

    /// Writes the entry alone, when nothing else was written under this record.
    pub async fn settle(&self, record: &Record, outcome: Outcome) -> Result<()> {
        let Some(mut open) = record.take() else { return Ok(()) };
        open.entry.outcome = outcome;
        self.record(open.entry).await
    }

    /// Writes an entry that has no effect beside it: a refusal.
    pub async fn record(&self, entry: Entry) -> Result<()> {
        self.submit(Batch::empty(), entry).await.map_err(Error::from)
    }

    /// Whether the writer still takes work.
    pub fn is_running(&self) -> bool {
        !self.queue.is_closed()
    }

    async fn submit(&self, batch: Batch, entry: Entry) -> Result<(), StoreError> {
        let (done, mut answer) = oneshot::channel();
        let claim = Arc::new(Claim::default());
        let job = Job { batch, entry, claim: claim.clone(), done };
        let wait = async {
            self.queue.send(job).await.map_err(|_| StoreError::Stopped)?;
            (&mut answer).await.map_err(|_| StoreError::Stopped)?
        };
        match tokio::time::timeout(WAIT_MAX, wait).await {
            Ok(outcome) => outcome,
            Err(_) if claim.take() => Err(StoreError::TooSlow),
            Err(_) => answer.await.map_err(|_| StoreError::Stopped)?,
        }
    }
}

struct Writer {
    db: Arc<dyn Database>,
    signer: Arc<Signer>,
    clock: Clock,
    /// Where the tree stands, as far as this process knows.
    standing: Standing,
}

/// How each batch of a group ended.
type Outcomes = Vec<Result<(), StoreError>>;

impl Writer {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut waiting = Vec::with_capacity(GROUP_MAX);
        while jobs.recv_many(&mut waiting, GROUP_MAX).await > 0 {
            let group = waiting.drain(..).filter(|it| it.claim.take()).collect();
            if AssertUnwindSafe(self.write(group)).catch_unwind().await.is_err() {
                ::metrics::counter!(metrics::PANICS).increment(1);
                tracing::error!("the audit's writer panicked over a group; it goes on");
            }
        }
    }

    async fn write(&mut self, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let started = self.clock.monotonic();
        metrics::commit_size(jobs.len());
        let (batches, rest): (Vec<Batch>, Vec<_>) =
            jobs.into_iter().map(|it| (it.batch, (it.entry, it.done))).unzip();
        let (entries, done): (Vec<Entry>, Vec<_>) = rest.into_iter().unzip();
        let written = self.commit(Arc::new(batches), Arc::new(entries)).await;
        metrics::commit_time(started.elapsed());
        match written {
            Ok(outcomes) => {
                for (done, outcome) in done.into_iter().zip(outcomes) {
                    // A caller that is gone is no reason to stop.
                    let _ = done.send(outcome);
                }
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a commit failed");
                for done in done {
                    let _ = done.send(Err(StoreError::Group));
                }
            }
        }
    }

    /// Commits. One that ended in doubt is tried again until it is known that it is there once.
    async fn commit(
        &mut self,
        batches: Arc<Vec<Batch>>,
        entries: Arc<Vec<Entry>>,
    ) -> Result<Outcomes, StoreError> {
        let mut doubt = false;
        loop {
            let mut ended = self.attempt(batches.clone(), entries.clone()).await;
            // The ids of entries are unique: the first try is what stands in the way of the second.
            if doubt && matches!(ended, Err(StoreError::Conflict)) {
                ended = self.recall(&entries).await;
            }
            match ended {
                Ok(outcomes) => return Ok(outcomes),
                Err(error @ (StoreError::Conflict | StoreError::Damaged(_))) => return Err(error),
                Err(error) if !doubt && !matches!(error, StoreError::InDoubt) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "a commit is in doubt; asking again");
                    doubt = true;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn attempt(
        &mut self,
        batches: Arc<Vec<Batch>>,
        entries: Arc<Vec<Entry>>,
    ) -> Result<Outcomes, StoreError> {
        let after = Arc::new(Mutex::new(None));
        let (signer, kept, before) = (self.signer.clone(), after.clone(), self.standing.clone());
        let seal = move |locked: &Row, held: &[bool]| {
            let mut standing = before.follow(locked, &signer)?;
            let statements = seal(&mut standing, &signer, &entries, held)?;
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(standing);
            Ok(statements)
        };
        let group = Group { guard: head::lock(), batches, seal: Box::new(seal) };
        let outcomes = self.db.commit(group).await?;
        if let Some(it) = after.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.standing = it;
        }
        Ok(outcomes)
    }

    /// How a group ended that is in the tree: its entries stand there side by side, and say so.
    async fn recall(&self, entries: &[Entry]) -> Result<Outcomes, StoreError> {
        let Some(first) = entries.first() else { return Ok(Outcomes::new()) };
        let rows = self
            .db
            .query(
                "SELECT outcome FROM audit
                 WHERE seq >= (SELECT seq FROM audit WHERE id = $1) ORDER BY seq LIMIT $2",
                vec![first.id.into(), (entries.len() as i64).into()],
            )
            .await?;
        if rows.len() != entries.len() {
            return Err(StoreError::Conflict);
        }
        rows.iter()
            .map(|row| match row.text(0)? {
                it if it == Outcome::Conflict.as_str() => Ok(Err(StoreError::Conflict)),
                _ => Ok(Ok(())),
            })
            .collect()
    }
}

/// The entries in their places, the tiles they complete, and the new signed head.
fn seal(
    Standing { edge, checkpoint }: &mut Standing,
    signer: &Signer,
    entries: &[Entry],
    held: &[bool],
) -> Result<Vec<Statement>, StoreError> {
    let mut statements = Vec::with_capacity(entries.len() + 2);
    for (entry, held) in entries.iter().zip(held) {
        let seq = edge.size();
        let (body, outcome) = body(entry, *held)?;
        let hash = leaf(&body);
        for tile in edge.append(hash) {
            statements.push(
                Statement::new("INSERT INTO audit_tiles (level, idx, hash) VALUES ($1, $2, $3)")
                    .bind(i64::from(tile.level))
                    .bind(tile.index as i64)
                    .bind(tile.hash.0.to_vec())
                    .expect_rows(1),
            );
        }
        statements.push(insert(seq, entry, outcome, body, hash.0.to_vec()));
    }
    *checkpoint = signer.sign(edge).map_err(|_| StoreError::Damaged("the head was not signed"))?;
    statements.push(
        Statement::new("UPDATE audit_head SET size = $1, edge = $2, checkpoint = $3 WHERE id = 1")
            .bind(edge.size() as i64)
            .bind(edge.to_bytes())
            .bind(checkpoint.as_str())
            .expect_rows(1),
    );
    Ok(statements)
}

fn body(entry: &Entry, held: bool) -> Result<(String, Outcome), StoreError> {
    let unserializable = |_| StoreError::Damaged("an entry cannot be written as JSON");
    if held {
        return Ok((serde_json::to_string(entry).map_err(unserializable)?, entry.outcome));
    }
    let entry = Entry { outcome: Outcome::Conflict, ..entry.clone() };
    Ok((serde_json::to_string(&entry).map_err(unserializable)?, entry.outcome))
}

fn insert(seq: u64, entry: &Entry, outcome: Outcome, body: String, hash: Vec<u8>) -> Statement {
    Statement::new(
        "INSERT INTO audit (seq, id, at, actor_id, actor_name, event, target_id, outcome, body, leaf)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(seq as i64)
    .bind(entry.id)
    .bind(entry.at.as_microsecond())
    .bind(entry.actor.id.as_str())
    .bind(entry.actor.name.as_str())
    .bind(entry.event.as_str())
    .bind(entry.target.id.as_str())
    .bind(outcome.as_str())
    .bind(body)
    .bind(hash)
    .expect_rows(1)
}
