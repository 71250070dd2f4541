//! The records in SQLite, in memory: an index of their words, and the records themselves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, ffi, params};

use super::query::Query;
use crate::clock::Clock;

/// How long a search may take.
pub const TIME_MAX: Duration = Duration::from_secs(1);
/// Instructions of SQLite's machine between two looks at the clock: well below a millisecond.
const LOOK_EVERY: std::ffi::c_int = 1000;

const TABLES: &str = "
    CREATE TABLE records (number INTEGER PRIMARY KEY, id TEXT NOT NULL, record TEXT NOT NULL);
    CREATE VIRTUAL TABLE words USING fts5(text, tokenize = 'unicode61 remove_diacritics 2');
    BEGIN";

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("the search takes longer than {TIME_MAX:?}; look for something rarer")]
    TooSlow,
    #[error("the index failed")]
    Failed(#[source] rusqlite::Error),
}

/// One record that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub id: String,
    /// The better it fits, the more; to be compared within one search only.
    pub score: f64,
    /// The words around what was found, which stands in brackets.
    pub snippet: String,
    /// A JSON object.
    pub record: String,
}

pub struct Index {
    connection: Mutex<Connection>,
    /// When the search under way is to be given up.
    until: Arc<Mutex<Option<Instant>>>,
    clock: Clock,
}

impl Index {
    pub(super) fn new(clock: Clock) -> Result<Index, IndexError> {
        let mut connection = Connection::open_in_memory()?;
        connection.execute_batch(TABLES)?;
        let until = Arc::new(Mutex::new(None));
        let (due, time) = (until.clone(), clock.clone());
        let over = move || lock(&due).is_some_and(|it: Instant| time.monotonic() >= it);
        connection.progress_handler(LOOK_EVERY, Some(over))?;
        Ok(Index { connection: Mutex::new(connection), until, clock })
    }

    pub(super) fn add(&self, id: &str, words: &str, record: &str) -> Result<(), IndexError> {
        let connection = lock(&self.connection);
        connection
            .prepare_cached("INSERT INTO records (id, record) VALUES (?1, ?2)")?
            .execute(params![id, record])?;
        connection
            .prepare_cached("INSERT INTO words (rowid, text) VALUES (last_insert_rowid(), ?1)")?
            .execute(params![words])?;
        Ok(())
    }

    /// Nothing is added any more.
    pub(super) fn finish(&self) -> Result<(), IndexError> {
        lock(&self.connection).execute_batch(
            "CREATE UNIQUE INDEX by_id ON records (id);
             COMMIT;
             INSERT INTO words (words) VALUES ('optimize');
             PRAGMA query_only = ON",
        )?;
        Ok(())
    }

    /// The records that fit best, and whether they hold all that was looked for or only some.
    pub(super) fn search(
        &self,
        query: &Query,
        limit: usize,
    ) -> Result<(Vec<Found>, Matched), IndexError> {
        self.within_time(|connection| {
            let all = find(connection, &query.all(), limit)?;
            match query.any() {
                Some(any) if all.is_empty() => Ok((find(connection, &any, limit)?, Matched::Any)),
                _ => Ok((all, Matched::All)),
            }
        })
    }

    /// The record with this id.
    pub(super) fn get(&self, id: &str) -> Result<Option<String>, IndexError> {
        const SQL: &str = "SELECT record FROM records WHERE id = ?1";
        self.within_time(|connection| {
            connection.prepare_cached(SQL)?.query_row(params![id], |row| row.get(0)).optional()
        })
    }

    /// How many records there are.
    pub fn count(&self) -> Result<i64, IndexError> {
        let count = "SELECT COUNT(*) FROM records";
        Ok(lock(&self.connection).query_row(count, [], |row| row.get(0))?)
    }

    fn within_time<T>(
        &self,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, IndexError> {
        let connection = lock(&self.connection);
        *lock(&self.until) = Some(self.clock.monotonic() + TIME_MAX);
        let found = look(&connection);
        *lock(&self.until) = None;
        Ok(found?)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Matched {
    /// Every record holds all that was looked for.
    All,
    /// No record holds all; these hold some of it.
    Any,
}

fn find(connection: &Connection, query: &str, limit: usize) -> rusqlite::Result<Vec<Found>> {
    // The best few are chosen before anything else of them is read.
    const SQL: &str = "
        SELECT records.id, -best.rank, best.snippet, records.record
        FROM (SELECT rowid, rank, snippet(words, 0, '[', ']', '…', 24) AS snippet FROM words
              WHERE words MATCH ?1 ORDER BY rank LIMIT ?2) AS best
        JOIN records ON records.number = best.rowid
        ORDER BY best.rank, records.number";
    let mut statement = connection.prepare_cached(SQL)?;
    let rows = statement.query_map(params![query, limit as i64], |row| {
        Ok(Found { id: row.get(0)?, score: row.get(1)?, snippet: row.get(2)?, record: row.get(3)? })
    })?;
    rows.collect()
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<rusqlite::Error> for IndexError {
    fn from(error: rusqlite::Error) -> IndexError {
        match error.sqlite_error_code() {
            Some(ffi::ErrorCode::OperationInterrupted) => IndexError::TooSlow,
            _ => IndexError::Failed(error),
        }
    }
}
