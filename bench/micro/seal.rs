//! What the audit costs by the size of the group that is written together.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use gatewright::audit::{Entry, Ledger};
use gatewright::clock::Clock;
use gatewright::settings::DatabaseUrl;
use gatewright::store::{self, Database, Group, Result, Row, Value};
use tokio::runtime::Runtime;

use crate::alternate::{Side, alternate};
use crate::place::{Inhabited, signer};
use crate::report;
use crate::verdicts::Verdicts;

const HEAD: &str = "SELECT edge, checkpoint FROM audit_head WHERE id = 1";
const SIZES: [usize; 3] = [1, 16, 256];

/// A store that forgets, whose head never moves: what is left is the ledger's own work, seal and
/// signature.
struct Forgetful {
    db: Arc<dyn Database>,
    head: Row,
}

#[async_trait]
impl Database for Forgetful {
    async fn query(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Row>> {
        self.db.query(sql, params).await
    }

    async fn commit(&self, group: Group) -> Result<Vec<Result<()>>> {
        let held = vec![true; group.batches.len()];
        std::hint::black_box((group.seal)(&self.head, &held)?);
        Ok(held.iter().map(|_| Ok(())).collect())
    }

    async fn migrate(&self) -> Result<()> {
        Ok(())
    }

    fn name(&self) -> &'static str {
        "forgetful"
    }
}

pub fn measure(world: &Inhabited, folder: &Path, runtime: &Runtime, verdicts: &mut Verdicts) {
    report::heading("The audit, per entry by the size of its group, CPU µs");
    report::columns(&["", "least", "median"]);
    let entry = runtime.block_on(an_entry(world));
    let db = store::open(&DatabaseUrl::SqliteFile(folder.join("audit.db"))).unwrap();
    runtime.block_on(db.migrate()).unwrap();
    let ledger = |db| runtime.block_on(Ledger::start(db, signer(), Clock::system())).unwrap();
    let head = runtime.block_on(db.query(HEAD, vec![])).unwrap().remove(0);
    let forgetful = ledger(Arc::new(Forgetful { db: db.clone(), head }));
    let durable = ledger(db);
    let side = |name, ledger: &Ledger, size| {
        let (ledger, entry) = (ledger.clone(), entry.clone());
        let write = move || {
            let group = (0..size).map(|_| ledger.record(fresh(&entry)));
            let written = runtime.block_on(join_all(group));
            assert!(written.iter().all(Result::is_ok));
        };
        Side::new(name, write).times(size as u32)
    };
    let [one, some, many] = SIZES;
    let measured = alternate(vec![
        side("sealed, group of 1", &forgetful, one),
        side("sealed, group of 16", &forgetful, some),
        side("sealed, group of 256", &forgetful, many),
        side("on SQLite's disk, group of 1", &durable, one),
        side("on SQLite's disk, group of 16", &durable, some),
        side("on SQLite's disk, group of 256", &durable, many),
    ]);
    verdicts.add("sealed: an entry among 256 / alone", measured.ratio(2, 0), None);
    verdicts.add("on disk: an entry among 256 / alone", measured.ratio(5, 3), None);
}

/// An entry as a real decision leaves it.
async fn an_entry(world: &Inhabited) -> Entry {
    let sql = "SELECT body FROM audit WHERE event = 'auth.token' LIMIT 1";
    let rows = world.place.db.query(sql, vec![]).await.unwrap();
    rows[0].json(0).unwrap()
}

fn fresh(entry: &Entry) -> Entry {
    Entry { id: Clock::system().new_id(), ..entry.clone() }
}
