//! The databases there are, for tests that hold for each of them.

use std::sync::Arc;

use async_trait::async_trait;
use gatewright::authz::Warrant;
use gatewright::clock::Clock;
use gatewright::store::{Batch, Database, Group, Postgres, Result, Row, Sqlite, Statement, Value};
use tempfile::TempDir;

use super::postgres;

/// A store that was brought up to date, and nothing else.
pub struct Store {
    /// Which it is, for messages.
    pub what: &'static str,
    pub db: Arc<dyn Database>,
    _folder: Option<TempDir>,
}

/// One of each: a file, memory, PostgreSQL.
pub async fn stores() -> [Store; 3] {
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::open(folder.path().join("gatewright.db")).unwrap();
    let memory = Sqlite::in_memory().unwrap();
    let server = Postgres::open(&postgres::fresh_database()).unwrap();
    let stores = [
        Store { what: "file", db: Arc::new(file), _folder: Some(folder) },
        Store { what: "memory", db: Arc::new(memory), _folder: None },
        Store { what: "server", db: Arc::new(server), _folder: None },
    ];
    for it in &stores {
        it.db.migrate().await.unwrap();
    }
    stores
}

/// A batch of its own warrant.
#[expect(clippy::disallowed_methods, reason = "a test writes on nobody's behalf")]
pub fn batch(statements: Vec<Statement>) -> Batch {
    Batch::new(&Warrant::system("test", &Clock::system()), statements)
}

/// A group under the lock that all groups take, with nothing to seal.
pub fn group(batches: Vec<Batch>) -> Group {
    let guard = Statement::new("UPDATE audit_head SET size = size WHERE id = 1 RETURNING size");
    Group { guard, batches: Arc::new(batches), seal: Box::new(|_, _| Ok(Vec::new())) }
}

impl Store {
    /// Commits batches that must all hold.
    pub async fn write(&self, batches: Vec<Batch>) {
        for outcome in self.db.commit(group(batches)).await.unwrap() {
            outcome.unwrap();
        }
    }

    pub async fn rows(&self, sql: &'static str) -> Vec<Row> {
        self.db.query(sql, vec![]).await.unwrap()
    }
}

/// Runs before a commit is handed on.
pub type Before = Box<dyn Fn(&Group) -> futures_util::future::BoxFuture<'static, ()> + Send + Sync>;

/// A store that does something of the test's own before each commit.
pub struct Watched {
    pub db: Arc<dyn Database>,
    pub before: Before,
}

#[async_trait]
impl Database for Watched {
    async fn query(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>> {
        self.db.query(sql, params).await
    }

    async fn commit(&self, group: Group) -> Result<Vec<Result<()>>> {
        (self.before)(&group).await;
        self.db.commit(group).await
    }

    async fn migrate(&self) -> Result<()> {
        self.db.migrate().await
    }

    fn name(&self) -> &'static str {
        self.db.name()
    }
}
