//! One SQL, two databases: the rest of the crate writes the portable subset once, the backends carry
//! text and values across and know nothing of the domain.
//!
//! Portable subset: `$n` parameters, `BIGINT` microseconds for instants (passed in, never `now()`),
//! `TEXT` for ids and JSON, `ON CONFLICT … DO UPDATE`, `LIMIT $n`, `lower(x) LIKE lower($n)`.

mod postgres;
mod sqlite;
mod value;

use std::sync::Arc;

use async_trait::async_trait;

use secrecy::ExposeSecret as _;

use crate::authz::Warrant;
use crate::settings::DatabaseUrl;

pub use postgres::Postgres;
pub use sqlite::Sqlite;
pub use value::{Row, Value};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A durable store of rows.
#[async_trait]
pub trait Database: Send + Sync {
    /// Reads. Sees every commit that was answered before it was called.
    async fn query(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>>;

    /// Runs a group of batches in one transaction and returns how each of them ended.
    ///
    /// A batch is all or nothing: one that meets a [`Error::Conflict`] is undone by itself and the
    /// others go on. Every other error, and a conflict in `guard` or in what `seal` returns, undoes
    /// the whole group; only [`Error::InDoubt`] leaves open whether it was. Durable when it returns.
    async fn commit(&self, group: Group) -> Result<Vec<Result<()>>>;

    /// Brings the schema up to date. Safe to call from several processes at once.
    async fn migrate(&self) -> Result<()>;

    /// `sqlite` or `postgres`, for logs and metrics.
    fn name(&self) -> &'static str;
}

/// Opens the store that the settings name.
pub fn open(url: &DatabaseUrl) -> anyhow::Result<Arc<dyn Database>> {
    Ok(match url {
        DatabaseUrl::SqliteMemory => Arc::new(Sqlite::in_memory()?),
        DatabaseUrl::SqliteFile(path) => Arc::new(Sqlite::open(path)?),
        DatabaseUrl::Postgres(url) => Arc::new(Postgres::open(url.expose_secret())?),
    })
}

/// The number of the schema that this program was made for.
pub fn newest_schema() -> i64 {
    sqlite::newest_schema()
}

/// The number of the schema that the store has.
///
/// # Errors
/// It has none yet, or does not answer.
pub async fn schema(db: &dyn Database) -> Result<i64> {
    let rows = db.query("SELECT MAX(version) FROM refinery_schema_history", vec![]).await?;
    rows.first().ok_or(Error::Damaged("the schema has no history"))?.int(0)
}

/// What one transaction carries.
pub struct Group {
    /// Runs first: locks the one row that makes commits serial, and `RETURNING` tells what is in it.
    pub guard: Statement,
    pub batches: Arc<Vec<Batch>>,
    /// Told the guard's row and which batches held, gives what is written last.
    pub seal: Seal,
}

pub type Seal = Box<dyn FnOnce(&Row, &[bool]) -> Result<Vec<Statement>> + Send>;

/// Statements that hold together or not at all, and the reason why they may happen.
pub struct Batch(Vec<Statement>);

impl Batch {
    /// Nothing is written without a warrant; this is where it is asked for.
    pub fn new(_: &Warrant, statements: Vec<Statement>) -> Batch {
        Batch(statements)
    }

    /// No statements: a group may carry a batch only for what its seal says about it.
    pub fn empty() -> Batch {
        Batch(Vec::new())
    }

    pub fn statements(&self) -> &[Statement] {
        &self.0
    }
}

/// One SQL statement with its parameters.
#[derive(Debug)]
pub struct Statement {
    sql: &'static str,
    params: Vec<Value>,
    expected: Option<u64>,
}

impl Statement {
    pub fn new(sql: &'static str) -> Statement {
        Statement { sql, params: Vec::new(), expected: None }
    }

    /// Binds the next parameter: the first call is `$1`.
    pub fn bind(mut self, value: impl Into<Value>) -> Statement {
        self.params.push(value.into());
        self
    }

    /// Makes touching any other number of rows a [`Error::Conflict`]: compare-and-set.
    pub fn expect_rows(mut self, rows: u64) -> Statement {
        self.expected = Some(rows);
        self
    }

    fn check(&self, touched: u64) -> Result<()> {
        match self.expected {
            Some(expected) if expected != touched => Err(Error::Conflict),
            _ => Ok(()),
        }
    }
}

/// The row of a guard, which finds one or is a conflict.
fn only(rows: Vec<Row>) -> Result<Row> {
    <[Row; 1]>::try_from(rows).map(|[row]| row).map_err(|_| Error::Conflict)
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A compare-and-set missed its row, or a unique value is taken.
    #[error("another change came first, or the value is taken")]
    Conflict,
    #[error("column {index} is not {wanted}")]
    Column { index: usize, wanted: &'static str },
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
    #[error(transparent)]
    Pool(#[from] deadpool_postgres::PoolError),
    #[error(transparent)]
    Migration(#[from] refinery::Error),
    #[error("the store's worker ended")]
    Worker(#[from] tokio::task::JoinError),
    #[error("the store's writer has stopped")]
    Stopped,
    /// What was asked for was certainly not written.
    #[error("the store did not answer in time")]
    TooSlow,
    /// The connection was lost while the transaction was being committed.
    #[error("the store did not say whether it committed")]
    InDoubt,
    /// The group this batch travelled in was undone; the cause is logged once, there.
    #[error("the store could not commit")]
    Group,
    #[error("the store is damaged: {0}")]
    Damaged(&'static str),
}
