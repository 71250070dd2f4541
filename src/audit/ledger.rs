//! The one way to write: effect, audit entry and settled reservation go down in one commit.
//!
//! Waiting commits are grouped: while one group is on its way to the disk the next gathers, so a
//! lone commit waits for nobody and a crowd shares one fsync and one signature.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};

use super::checkpoint::Signer;
use super::entry::{Entry, Outcome};
use super::tree::{Edge, leaf};
use crate::authz::{Record, Warrant};
use crate::clock::Clock;
use crate::store::{Batch, Database, Error as StoreError, Group, Statement};
use crate::{Error, Result, metrics};

const GROUP_MAX: usize = 256;
const WAITING_MAX: usize = 4096;
/// Nobody waits longer for the disk than this; what was not answered may still have been written.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// How often a group is tried again when another replica's commit came first.
const ATTEMPTS_MAX: usize = 16;

/// Writes batches together with their audit entries, in the order of the tree.
#[derive(Clone)]
pub struct Ledger {
    queue: mpsc::Sender<Job>,
}

struct Job {
    batch: Batch,
    entry: Entry,
    done: oneshot::Sender<Result<(), StoreError>>,
}

impl Ledger {
    /// Starts the writer. It ends when the last handle is dropped.
    pub fn start(db: Arc<dyn Database>, signer: Arc<Signer>, clock: Clock) -> Ledger {
        let (queue, jobs) = mpsc::channel(WAITING_MAX);
        let writer = Writer { db, signer, clock, edge: Mutex::new(None) };
        tokio::spawn(writer.run(jobs));
        Ledger { queue }
    }

    /// Writes `statements` and the warrant's entry in one transaction, durably.
    ///
    /// A missed compare-and-set is [`Error::Conflict`]; the entry is then written with that outcome.
    pub async fn commit(&self, warrant: &Warrant, mut statements: Vec<Statement>) -> Result<()> {
        let record = warrant.record();
        let Some(open) = record.take() else {
            return Err(Error::internal("a warrant is good for one commit"));
        };
        if let Some(it) = &open.reservation {
            statements.extend(it.statements());
        }
        let written = self.submit(Batch::new(warrant, statements), open.entry).await;
        // Only a batch that was certainly undone gives its use back.
        if let (Ok(()) | Err(StoreError::TooSlow | StoreError::Group), Some(it)) =
            (&written, open.reservation)
        {
            it.settle();
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
        let (done, answer) = oneshot::channel();
        let job = Job { batch, entry, done };
        let wait = async {
            self.queue.send(job).await.map_err(|_| StoreError::Poisoned)?;
            answer.await.map_err(|_| StoreError::Poisoned)?
        };
        tokio::time::timeout(WAIT_MAX, wait).await.map_err(|_| StoreError::TooSlow)?
    }
}

struct Writer {
    db: Arc<dyn Database>,
    signer: Arc<Signer>,
    clock: Clock,
    /// Where the tree stands, as far as this process knows; none until it was read.
    edge: Mutex<Option<Edge>>,
}

impl Writer {
    async fn run(self, mut jobs: mpsc::Receiver<Job>) {
        let mut waiting = Vec::with_capacity(GROUP_MAX);
        while jobs.recv_many(&mut waiting, GROUP_MAX).await > 0 {
            self.write(std::mem::take(&mut waiting)).await;
        }
    }

    async fn write(&self, jobs: Vec<Job>) {
        let started = self.clock.monotonic();
        metrics::commit_size(jobs.len());
        let (batches, rest): (Vec<Batch>, Vec<_>) =
            jobs.into_iter().map(|it| (it.batch, (it.entry, it.done))).unzip();
        let (entries, done): (Vec<Entry>, Vec<_>) = rest.into_iter().unzip();
        let written = self.commit(batches, entries).await;
        metrics::commit_time(started.elapsed());
        match written {
            Ok(outcomes) => {
                for (done, outcome) in done.into_iter().zip(outcomes) {
                    // A caller that gave up waiting is no reason to stop.
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

    async fn commit(
        &self,
        batches: Vec<Batch>,
        entries: Vec<Entry>,
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let (batches, entries) = (Arc::new(batches), Arc::new(entries));
        let mut edge = self.edge.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let before = match edge.take() {
                Some(it) => it,
                None => head(&*self.db).await?,
            };
            let group = self.group(&before, batches.clone(), entries.clone());
            let (group, after) = group;
            match self.db.commit(group).await {
                Ok(outcomes) => {
                    *edge = after.lock().map_err(|_| StoreError::Poisoned)?.take();
                    return Ok(outcomes);
                }
                // Another replica moved the head: read it and try again.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    fn group(
        &self,
        before: &Edge,
        batches: Arc<Vec<Batch>>,
        entries: Arc<Vec<Entry>>,
    ) -> (Group, Arc<std::sync::Mutex<Option<Edge>>>) {
        let after = Arc::new(std::sync::Mutex::new(None));
        let (signer, kept, mut edge) = (self.signer.clone(), after.clone(), before.clone());
        let seal = move |held: &[bool]| {
            let statements = seal(&mut edge, &signer, &entries, held)?;
            *kept.lock().map_err(|_| StoreError::Poisoned)? = Some(edge);
            Ok(statements)
        };
        let guard = Statement::new("UPDATE audit_head SET size = size WHERE id = 1 AND size = $1")
            .bind(before.size() as i64)
            .expect_rows(1);
        (Group { guard, batches, seal: Box::new(seal) }, after)
    }
}

/// Where the stored tree stands.
async fn head(db: &dyn Database) -> Result<Edge, StoreError> {
    let rows = db.query("SELECT size, edge FROM audit_head WHERE id = 1", vec![]).await?;
    let row = rows.first().ok_or(StoreError::Damaged("the audit has no head"))?;
    // The first row of a new store holds an empty text where later ones hold bytes.
    let size = row.int(0)?;
    if size == 0 {
        return Ok(Edge::default());
    }
    Edge::from_bytes(size as u64, row.bytes(1)?)
        .ok_or(StoreError::Damaged("the audit's head does not fit its size"))
}

/// The entries in their places, the tiles they complete, and the new signed head.
fn seal(
    edge: &mut Edge,
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
    let checkpoint =
        signer.sign(edge).map_err(|_| StoreError::Damaged("the head was not signed"))?;
    statements.push(
        Statement::new("UPDATE audit_head SET size = $1, edge = $2, checkpoint = $3 WHERE id = 1")
            .bind(edge.size() as i64)
            .bind(edge.to_bytes())
            .bind(checkpoint)
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
