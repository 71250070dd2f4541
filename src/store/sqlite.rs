//! SQLite: write-ahead log, one writer that takes whole groups, a few pooled readers.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, ToSql, Transaction, TransactionBehavior, params_from_iter,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Batch, Database, Error, Group, Result, Row, Statement, Value, only};

/// Reads run beside each other and beside the writer; more than this only queue for two cores.
const READERS_MAX: usize = 4;
const STATEMENTS_CACHED_MAX: usize = 128;
/// How long to wait for a reader, or for another process to let go of the file.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// What the name of the file that processes take turns by ends with.
const TURN_SUFFIX: &str = "-starting";

mod migrations {
    refinery::embed_migrations!("src/store/migrations");
}

/// Of the migrations that are built in; both databases have the same.
pub(super) fn newest_schema() -> i64 {
    let runner = migrations::migrations::runner();
    runner.get_migrations().iter().map(|it| i64::from(it.version())).max().unwrap_or_default()
}

pub struct Sqlite {
    /// None for a database in memory, which no other process can see.
    path: Option<PathBuf>,
    writer: Arc<Mutex<Connection>>,
    /// None for a database in memory, which only its one connection can see.
    readers: Option<Arc<Readers>>,
}

struct Readers {
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

/// A reader at work. It goes back when this is dropped: after a panic, too, and not before the work
/// is done, though nobody may wait for it any more.
struct Reading {
    reader: Option<Connection>,
    home: Arc<Readers>,
    _turn: OwnedSemaphorePermit,
}

impl Readers {
    async fn lend(self: &Arc<Self>) -> Result<Reading> {
        let turn = tokio::time::timeout(WAIT_MAX, self.turns.clone().acquire_owned());
        let turn = turn.await.map_err(|_| Error::TooSlow)?.map_err(|_| Error::Stopped)?;
        let reader = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(Reading { reader, home: self.clone(), _turn: turn })
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut idle = self.home.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(self.reader.take());
    }
}

impl Sqlite {
    /// Opens the file at `path`, making it when it is not there.
    pub fn open(path: impl AsRef<Path>) -> Result<Sqlite> {
        make_private(path.as_ref());
        let _turn = turn(path.as_ref());
        let writer = Connection::open(&path)?;
        prepare(&writer)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        // FULL: a commit that was answered survives power loss.
        writer.pragma_update(None, "synchronous", "FULL")?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        let reader = || -> Result<Connection> {
            let reader = Connection::open_with_flags(&path, flags)?;
            prepare(&reader)?;
            Ok(reader)
        };
        let readers = (0..READERS_MAX).map(|_| reader()).collect::<Result<_>>()?;
        let turns = Arc::new(Semaphore::new(READERS_MAX));
        let readers = Arc::new(Readers { idle: Mutex::new(readers), turns });
        let path = Some(path.as_ref().to_owned());
        Ok(Sqlite { path, writer: Arc::new(Mutex::new(writer)), readers: Some(readers) })
    }

    /// A database that is gone when it is dropped.
    pub fn in_memory() -> Result<Sqlite> {
        let writer = Connection::open_in_memory()?;
        prepare(&writer)?;
        Ok(Sqlite { path: None, writer: Arc::new(Mutex::new(writer)), readers: None })
    }

    /// Runs on the writer, off the async threads.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let writer = self.writer.clone();
        tokio::task::spawn_blocking(move || {
            // A panic unwound through its transaction, which that rolled back.
            work(&mut writer.lock().unwrap_or_else(PoisonError::into_inner))
        })
        .await?
    }
}

/// Makes a new file its owner's alone, for it holds the hashes of secrets; SQLite gives its
/// companions the same mode. What cannot be made here cannot be opened either, and is told there.
fn make_private(path: &Path) {
    let _ = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
}

/// Waits until no other process is starting on the database at `path`. SQLite refuses at once,
/// whatever its timeout, where two want to change how the file is written, and refinery takes no
/// lock at all. The turn ends when the file is dropped, or its process dies.
///
/// Where no file can be made there is no turn to take: SQLite, which needs to make some, too, fails
/// next and says why.
fn turn(path: &Path) -> Option<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(TURN_SUFFIX);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(name).ok()?;
    file.lock().ok()?;
    Some(file)
}

fn prepare(connection: &Connection) -> Result<()> {
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.busy_timeout(WAIT_MAX)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    Ok(())
}

#[async_trait]
impl Database for Sqlite {
    async fn query(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>> {
        let Some(readers) = &self.readers else {
            return self.write(move |connection| select(connection, sql, &params)).await;
        };
        let reading = readers.lend().await?;
        tokio::task::spawn_blocking(move || {
            let reader = reading.reader.as_ref().ok_or(Error::Stopped)?;
            select(reader, sql, &params)
        })
        .await?
    }

    async fn commit(&self, group: Group) -> Result<Vec<Result<()>>> {
        self.write(move |connection| {
            let mut tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let locked = only(select(&tx, group.guard.sql, &group.guard.params)?)?;
            let mut outcomes = Vec::with_capacity(group.batches.len());
            for batch in group.batches.iter() {
                outcomes.push(attempt(&mut tx, batch)?);
            }
            let held: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
            for statement in (group.seal)(&locked, &held)? {
                run(&tx, &statement)?;
            }
            tx.commit()?;
            Ok(outcomes)
        })
        .await
    }

    async fn migrate(&self) -> Result<()> {
        let path = self.path.clone();
        self.write(move |connection| {
            let _turn = path.as_deref().and_then(turn);
            migrations::migrations::runner().run(connection)?;
            Ok(())
        })
        .await
    }

    fn name(&self) -> &'static str {
        "sqlite"
    }
}

/// The inner result is the batch's own fate; the outer one ends the whole group.
fn attempt(tx: &mut Transaction<'_>, batch: &Batch) -> Result<Result<()>> {
    if batch.statements().is_empty() {
        return Ok(Ok(()));
    }
    let mut savepoint = tx.savepoint()?;
    match batch.statements().iter().try_for_each(|it| run(&savepoint, it)) {
        Ok(()) => {
            savepoint.commit()?;
            Ok(Ok(()))
        }
        Err(Error::Conflict) => {
            savepoint.rollback()?;
            savepoint.commit()?;
            Ok(Err(Error::Conflict))
        }
        Err(error) => Err(error),
    }
}

fn run(connection: &Connection, statement: &Statement) -> Result<()> {
    let touched = connection
        .prepare_cached(&numbered(statement.sql))?
        .execute(params_from_iter(&statement.params))
        .map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Error::Conflict,
            _ => error.into(),
        })?;
    statement.check(touched as u64)
}

fn select(connection: &Connection, sql: &str, params: &[Value]) -> Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(&numbered(sql))?;
    let width = statement.column_count();
    let rows = statement.query_map(params_from_iter(params), |row| {
        (0..width).map(|i| row.get_ref(i).map(value)).collect::<rusqlite::Result<_>>().map(Row)
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// SQLite numbers parameters as `?1`; its `$1` would be a *name*, bound by order of appearance.
fn numbered(sql: &str) -> String {
    sql.replace('$', "?")
}

fn value(it: ValueRef<'_>) -> Value {
    match it {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(it) => Value::Int(it),
        // No column holds a real number; shown as text it fails to parse instead of being rounded.
        ValueRef::Real(it) => Value::Text(it.to_string()),
        // Repaired, a text that was tampered with could pass for the one that was written.
        ValueRef::Text(it) => match std::str::from_utf8(it) {
            Ok(it) => Value::Text(it.to_owned()),
            Err(_) => Value::Bytes(it.to_vec()),
        },
        ValueRef::Blob(it) => Value::Bytes(it.to_vec()),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Null => ToSqlOutput::Owned(rusqlite::types::Value::Null),
            Value::Bool(it) => (*it).into(),
            Value::Int(it) => (*it).into(),
            Value::Text(it) => it.as_str().into(),
            Value::Bytes(it) => it.as_slice().into(),
        })
    }
}
