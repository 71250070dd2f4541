//! PostgreSQL, through a pool whose waits are bounded.

use std::ops::DerefMut;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use deadpool_postgres::{
    Client, GenericClient, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
    Transaction,
};
use tokio::time::timeout;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::{Batch, Database, Error, Group, Result, Row, Statement, Value, only};

const READERS_MAX: usize = 8;
const WAIT_MAX: Duration = Duration::from_secs(2);
/// A connection that is silent for longer while it reads is given up.
const READ_TIME_MAX: Duration = Duration::from_secs(10);
/// Unacknowledged for longer than this, a connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Should this process hang or its network break in the middle of a transaction, the server must
/// not keep the lock that every replica waits for.
const SESSION: &str = "-c idle_in_transaction_session_timeout=5000";
/// Any number will do as long as every replica uses the same one.
const MIGRATION_LOCK: i64 = 0x6761_7465;

mod migrations {
    refinery::embed_migrations!("src/store/migrations");
}

pub struct Postgres {
    readers: Pool,
    /// A connection of its own, so that no crowd of readers can stand in the way of a commit.
    writer: Pool,
}

impl Postgres {
    /// Takes a `postgres://` URL. Connects when first used.
    pub fn open(url: &str) -> anyhow::Result<Postgres> {
        let mut config: tokio_postgres::Config = url.parse()?;
        let options = [config.get_options().unwrap_or_default(), SESSION].join(" ");
        config
            .options(options)
            .connect_timeout(WAIT_MAX)
            .tcp_user_timeout(SILENCE_MAX)
            .application_name("gatewright");
        Ok(Postgres { readers: pool(&config, READERS_MAX)?, writer: pool(&config, 1)? })
    }
}

fn pool(config: &tokio_postgres::Config, connections_max: usize) -> anyhow::Result<Pool> {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let pool = Pool::builder(Manager::from_config(config.clone(), NoTls, recycling))
        .max_size(connections_max)
        .wait_timeout(Some(WAIT_MAX))
        .create_timeout(Some(WAIT_MAX))
        .recycle_timeout(Some(WAIT_MAX))
        .runtime(Runtime::Tokio1)
        .build()?;
    Ok(pool)
}

#[async_trait]
impl Database for Postgres {
    async fn query(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>> {
        let client = self.readers.get().await?;
        match timeout(READ_TIME_MAX, select(&client, sql, &params)).await {
            Ok(rows) => rows,
            Err(_) => {
                hang_up(client);
                Err(Error::TooSlow)
            }
        }
    }

    async fn commit(&self, group: Group) -> Result<Vec<Result<()>>> {
        let mut client = self.writer.get().await?;
        let outcomes = transact(&mut client, group).await;
        if matches!(outcomes, Err(Error::TooSlow | Error::InDoubt)) {
            hang_up(client);
        }
        outcomes
    }

    async fn migrate(&self) -> Result<()> {
        // Out of the pool: the lock is let go with the connection, however this ends.
        let mut client = Object::take(self.writer.get().await?);
        // refinery takes no lock of its own: replicas that start together would collide.
        client.query("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await?;
        migrations::migrations::runner().run_async(client.deref_mut()).await?;
        Ok(())
    }

    fn name(&self) -> &'static str {
        "postgres"
    }
}

/// Closes a connection that still owes an answer; the next user gets another one.
fn hang_up(client: Client) {
    drop(Object::take(client));
}

async fn transact(client: &mut Client, group: Group) -> Result<Vec<Result<()>>> {
    let written = timeout(WAIT_MAX, write(client, group));
    let (tx, outcomes) = written.await.map_err(|_| Error::TooSlow)??;
    match timeout(WAIT_MAX, tx.commit()).await {
        Ok(Ok(())) => Ok(outcomes),
        // Whatever broke, the server may have committed before it did.
        Ok(Err(_)) | Err(_) => Err(Error::InDoubt),
    }
}

async fn write(client: &mut Client, group: Group) -> Result<(Transaction<'_>, Vec<Result<()>>)> {
    let mut tx = client.transaction().await?;
    let locked = only(select(&tx, group.guard.sql, &group.guard.params).await?)?;
    let mut outcomes = Vec::with_capacity(group.batches.len());
    for batch in group.batches.iter() {
        outcomes.push(attempt(&mut tx, batch).await?);
    }
    let held: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    for statement in (group.seal)(&locked, &held)? {
        run(&tx, &statement).await?;
    }
    Ok((tx, outcomes))
}

async fn select(client: &impl GenericClient, sql: &str, params: &[Value]) -> Result<Vec<Row>> {
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &refs(params)).await?;
    rows.iter().map(row).collect()
}

/// The inner result is the batch's own fate; the outer one ends the whole group.
async fn attempt(tx: &mut Transaction<'_>, batch: &Batch) -> Result<Result<()>> {
    if batch.statements().is_empty() {
        return Ok(Ok(()));
    }
    let savepoint = tx.savepoint("batch").await?;
    for statement in batch.statements() {
        match run(&savepoint, statement).await {
            Ok(()) => {}
            Err(Error::Conflict) => {
                savepoint.rollback().await?;
                return Ok(Err(Error::Conflict));
            }
            Err(error) => return Err(error),
        }
    }
    savepoint.commit().await?;
    Ok(Ok(()))
}

async fn run(tx: &Transaction<'_>, statement: &Statement) -> Result<()> {
    let prepared = tx.prepare_cached(statement.sql).await?;
    let touched = tx.execute(&prepared, &refs(&statement.params)).await.map_err(conflict)?;
    statement.check(touched)
}

/// Class 23 is integrity: a value is taken or a row that must be there is not.
fn conflict(error: tokio_postgres::Error) -> Error {
    match error.code() {
        Some(code) if *code == SqlState::UNIQUE_VIOLATION || code.code().starts_with("23") => {
            Error::Conflict
        }
        _ => error.into(),
    }
}

fn refs(params: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|it| it as &(dyn ToSql + Sync)).collect()
}

fn row(row: &tokio_postgres::Row) -> Result<Row> {
    let value = |i: usize, kind: &Type| -> Result<Value> {
        Ok(match *kind {
            Type::BOOL => row.try_get::<_, Option<bool>>(i)?.into(),
            Type::INT8 => row.try_get::<_, Option<i64>>(i)?.into(),
            Type::INT4 => row.try_get::<_, Option<i32>>(i)?.map(i64::from).into(),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(i)?.into(),
            _ => row.try_get::<_, Option<String>>(i)?.into(),
        })
    };
    let columns = row.columns().iter().enumerate();
    columns.map(|(i, it)| value(i, it.type_())).collect::<Result<_>>().map(Row)
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Bool(it) => it.to_sql_checked(kind, out),
            Value::Int(it) => it.to_sql_checked(kind, out),
            Value::Text(it) => it.to_sql_checked(kind, out),
            Value::Bytes(it) => it.to_sql_checked(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Each variant checks for itself.
        true
    }

    to_sql_checked!();
}
