//! What an entry costs by the size of the group that is sealed and written together.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use gatewright::audit::{Entry, Ledger};
use gatewright::clock::Clock;
use gatewright::settings::DatabaseUrl;
use gatewright::store;
use tokio::runtime::Runtime;

use crate::alternate::{Side, alternate};
use crate::place::{Inhabited, signer};
use crate::report;
use crate::verdicts::Verdicts;

pub fn measure(world: &Inhabited, folder: &Path, runtime: &Runtime, verdicts: &mut Verdicts) {
    report::heading("The audit, per entry by the size of its group, CPU µs");
    report::columns(&["", "least", "median"]);
    let entry = runtime.block_on(an_entry(world));
    let memory = ledger(&DatabaseUrl::SqliteMemory, runtime);
    let disk = ledger(&DatabaseUrl::SqliteFile(folder.join("audit.db")), runtime);
    let side = |name, ledger: &Ledger, size: u32| {
        let (ledger, entry) = (ledger.clone(), entry.clone());
        let write = move || {
            // On one thread: all of them are queued before the writer has its turn.
            let group = (0..size).map(|_| ledger.record(fresh(&entry)));
            let written = runtime.block_on(join_all(group));
            assert!(written.iter().all(Result::is_ok));
        };
        Side::new(name, write).times(size)
    };
    let measured = alternate(vec![
        side("in memory, group of 1", &memory, 1),
        side("in memory, group of 16", &memory, 16),
        side("in memory, group of 256", &memory, 256),
        side("on disk, group of 1", &disk, 1),
        side("on disk, group of 16", &disk, 16),
        side("on disk, group of 256", &disk, 256),
    ]);
    verdicts.add("audit on disk: an entry among 256 / alone", measured.ratio(5, 3), None);
}

fn ledger(url: &DatabaseUrl, runtime: &Runtime) -> Ledger {
    let db = store::open(url).unwrap();
    runtime.block_on(async {
        db.migrate().await.unwrap();
        Ledger::start(Arc::clone(&db), signer(), Clock::system()).await.unwrap()
    })
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
