//! PostgreSQL, through a pool whose waits are bounded.

use std::ops::DerefMut;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Transaction};
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::{Batch, Database, Error, Group, Result, Row, Statement, Value};

const CONNECTIONS_MAX: usize = 8;
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Any number will do as long as every replica uses the same one.
const MIGRATION_LOCK: i64 = 0x6761_7465;

mod migrations {
    refinery::embed_migrations!("src/store/migrations");
}

pub struct Postgres {
    pool: Pool,
}

impl Postgres {
    /// Takes a `postgres://` URL. Connects when first used.
    pub fn open(url: &str) -> anyhow::Result<Postgres> {
        let mut config: tokio_postgres::Config = url.parse()?;
        config.connect_timeout(WAIT_MAX).application_name("gatewright");
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config, NoTls, recycling))
            .max_size(CONNECTIONS_MAX)
            .wait_timeout(Some(WAIT_MAX))
            .create_timeout(Some(WAIT_MAX))
            .recycle_timeout(Some(WAIT_MAX))
            .runtime(Runtime::Tokio1)
            .build()?;
        Ok(Postgres { pool })
    }
}

#[async_trait]
impl Database for Postgres {
    async fn query(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>> {
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(sql).await?;
        let rows = client.query(&statement, &refs(&params)).await?;
        rows.iter().map(row).collect()
    }

    async fn commit(&self, group: Group) -> Result<Vec<Result<()>>> {
        let mut client = self.pool.get().await?;
        let mut tx = client.transaction().await?;
        run(&tx, &group.guard).await?;
        let mut outcomes = Vec::with_capacity(group.batches.len());
        for batch in group.batches.iter() {
            outcomes.push(attempt(&mut tx, batch).await?);
        }
        let held: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
        for statement in (group.seal)(&held)? {
            run(&tx, &statement).await?;
        }
        tx.commit().await?;
        Ok(outcomes)
    }

    async fn migrate(&self) -> Result<()> {
        let mut client = self.pool.get().await?;
        // refinery takes no lock of its own: replicas that start together would collide.
        client.query("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await?;
        let ran = migrations::migrations::runner().run_async(client.deref_mut().deref_mut()).await;
        client.query("SELECT pg_advisory_unlock($1)", &[&MIGRATION_LOCK]).await?;
        ran?;
        Ok(())
    }

    fn name(&self) -> &'static str {
        "postgres"
    }
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
