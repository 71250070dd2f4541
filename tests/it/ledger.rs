//! The one way to write, driven directly: grouping, doubt, replicas.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ed25519_dalek::SigningKey;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use gatewright::audit::Ledger;
use gatewright::audit::checkpoint::Signer;
use gatewright::audit::verify::{Report, verify};
use gatewright::authz::Warrant;
use gatewright::clock::Clock;
use gatewright::store::{Database, Postgres, Sqlite, Statement};
use gatewright::{Error, Result};
use tokio::sync::Semaphore;

use crate::harness::postgres::fresh_database;
use crate::harness::proxy::Proxy;
use crate::harness::stores::{Before, Watched, batch, group, stores};

fn signer() -> Arc<Signer> {
    Arc::new(Signer::new("gate.example/audit", &SigningKey::from_bytes(&[7; 32])).unwrap())
}

async fn ledger(db: &Arc<dyn Database>) -> Ledger {
    Ledger::start(db.clone(), signer(), Clock::system()).await.unwrap()
}

async fn checked(db: &Arc<dyn Database>) -> Report {
    let report = verify(&**db, signer().public_key(), None).await.unwrap();
    assert!(report.holds(), "{:?}", report.faults);
    report
}

/// Writes one row of `usage`, which every store has, under this principal's name.
#[expect(clippy::disallowed_methods, reason = "a test writes on nobody's behalf")]
async fn write(ledger: &Ledger, principal: &str) -> Result<()> {
    let insert = Statement::new(
        "INSERT INTO usage (principal_id, tool_id, minute, uses, failures, cost_micros)
         VALUES ($1, 'tool', 0, 1, 0, 0)",
    );
    let warrant = Warrant::system("test", &Clock::system());
    ledger.commit(&warrant, vec![insert.bind(principal).expect_rows(1)]).await
}

async fn count(db: &Arc<dyn Database>, sql: &'static str) -> i64 {
    db.query(sql, vec![]).await.unwrap()[0].int(0).unwrap()
}

fn watched(db: &Arc<dyn Database>, before: Before) -> Arc<dyn Database> {
    Arc::new(Watched { db: db.clone(), before })
}

async fn memory() -> Arc<dyn Database> {
    let db = Sqlite::in_memory().unwrap();
    db.migrate().await.unwrap();
    Arc::new(db)
}

#[tokio::test]
async fn a_crowd_shares_transactions_and_a_lone_commit_has_its_own() {
    for store in stores().await {
        let commits = Arc::new(AtomicUsize::new(0));
        let counted = commits.clone();
        let count_up: Before = Box::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            async {}.boxed()
        });
        let ledger = ledger(&watched(&store.db, count_up)).await;
        write(&ledger, "alone").await.unwrap();
        assert_eq!(commits.load(Ordering::Relaxed), 1, "{}", store.what);
        let names: Vec<String> = (0..500).map(|n| n.to_string()).collect();
        let crowd = join_all(names.iter().map(|it| write(&ledger, it))).await;
        assert!(crowd.iter().all(Result::is_ok), "{}", store.what);
        let commits = commits.load(Ordering::Relaxed);
        assert!(commits < 50, "{}: {commits} transactions for 501 entries", store.what);
        assert_eq!(checked(&store.db).await.entries, 501, "{}", store.what);
        assert_eq!(count(&store.db, "SELECT COUNT(*) FROM usage").await, 501);
    }
}

#[tokio::test]
async fn what_meets_a_conflict_is_in_the_tree_as_a_conflict() {
    for store in stores().await {
        let ledger = ledger(&store.db).await;
        let writes = join_all((0..20).map(|_| write(&ledger, "the same"))).await;
        let conflicts = writes.iter().filter(|it| matches!(it, Err(Error::Conflict(_)))).count();
        assert_eq!((writes.iter().filter(|it| it.is_ok()).count(), conflicts), (1, 19));
        let sql = "SELECT COUNT(*) FROM audit WHERE outcome = 'conflict'";
        assert_eq!(count(&store.db, sql).await, 19, "{}", store.what);
        assert_eq!(checked(&store.db).await.entries, 20, "{}", store.what);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_on_one_database_grow_one_tree() {
    let url = fresh_database();
    let open = || -> Arc<dyn Database> { Arc::new(Postgres::open(&url).unwrap()) };
    let replicas = [open(), open()];
    replicas[0].migrate().await.unwrap();
    let (one, other) = (ledger(&replicas[0]).await, ledger(&replicas[1]).await);
    // Each writes its names one after the other, so that neither can do it all in one group.
    let chain = |ledger: Ledger, name: &'static str, chain: usize| async move {
        for n in 0..40 {
            write(&ledger, &format!("{name} {chain} {n}")).await.unwrap();
        }
    };
    let chains = (0..4).flat_map(|n| [chain(one.clone(), "a", n), chain(other.clone(), "b", n)]);
    join_all(chains).await;
    assert_eq!(checked(&replicas[0]).await.entries, 320);
    assert_eq!(count(&replicas[1], "SELECT COUNT(*) FROM usage").await, 320);
}

#[tokio::test]
async fn a_commit_in_doubt_happens_once_and_is_answered_as_it_ended() {
    let url = fresh_database();
    let proxy = Proxy::to(&url);
    let direct: Arc<dyn Database> = Arc::new(Postgres::open(&url).unwrap());
    direct.migrate().await.unwrap();
    let proxied: Arc<dyn Database> = Arc::new(Postgres::open(&proxy.url).unwrap());
    let ledger = ledger(&proxied).await;
    for n in 0..3 {
        proxy.lose_answer_to("COMMIT");
        let taken = ["in doubt", "0"];
        let writes = join_all(taken.map(|it| write(&ledger, it))).await;
        assert!(proxy.has_lost());
        let held: Vec<bool> = writes.iter().map(Result::is_ok).collect();
        assert_eq!(held, [n == 0, n == 0], "round {n}: {writes:?}");
    }
    assert_eq!(count(&direct, "SELECT COUNT(*) FROM usage").await, 2);
    assert_eq!(checked(&direct).await.entries, 6);
}

#[tokio::test]
async fn what_was_given_up_before_it_began_never_happens() {
    let (db, gate) = (memory().await, Arc::new(Semaphore::new(0)));
    let shut = gate.clone();
    let wait: Before = Box::new(move |_| {
        let shut = shut.clone();
        async move { shut.acquire().await.unwrap().forget() }.boxed()
    });
    let ledger = ledger(&watched(&db, wait)).await;
    let begun = {
        let ledger = ledger.clone();
        tokio::spawn(async move { write(&ledger, "begun").await })
    };
    tokio::task::yield_now().await;
    let given_up = write(&ledger, "given up").await;
    assert!(matches!(given_up, Err(Error::Unavailable { .. })), "{given_up:?}");
    assert!(!begun.is_finished(), "how that ends is not known yet");
    gate.add_permits(10);
    begun.await.unwrap().unwrap();
    write(&ledger, "later").await.unwrap();
    let rows = db.query("SELECT principal_id FROM usage ORDER BY 1", vec![]).await.unwrap();
    let names: Vec<&str> = rows.iter().map(|it| it.text(0).unwrap()).collect();
    assert_eq!(names, ["begun", "later"]);
    assert_eq!(checked(&db).await.entries, 2);
}

#[tokio::test]
async fn a_panic_fails_its_own_group_and_no_other() {
    let (db, armed) = (memory().await, Arc::new(AtomicBool::new(true)));
    let trap: Before = Box::new(move |_| {
        assert!(!armed.swap(false, Ordering::Relaxed), "by the test");
        async {}.boxed()
    });
    let ledger = ledger(&watched(&db, trap)).await;
    assert!(matches!(write(&ledger, "a").await, Err(Error::Unavailable { .. })));
    write(&ledger, "a").await.unwrap();
    assert!(ledger.is_running());
    assert_eq!(checked(&db).await.entries, 1);
}

#[tokio::test]
async fn a_rewritten_past_is_not_continued() {
    let db = memory().await;
    let ledger = ledger(&db).await;
    for name in ["a", "b", "c"] {
        write(&ledger, name).await.unwrap();
    }
    let forge = |statement| db.commit(group(vec![batch(vec![statement])]));
    let edge = Statement::new("UPDATE audit_head SET size = 1, edge = $1").bind(vec![9u8; 32]);
    forge(edge).await.unwrap();
    write(&ledger, "d").await.expect("this process knows where the tree stands by itself");

    let start = "UPDATE audit_head SET size = 0, checkpoint = '', edge = $1";
    forge(Statement::new(start).bind(Vec::new())).await.unwrap();
    let refused = write(&ledger, "e").await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");

    let theirs = Signer::new("gate.example/audit", &SigningKey::from_bytes(&[8; 32])).unwrap();
    let note = theirs.sign(&Default::default()).unwrap();
    forge(Statement::new("UPDATE audit_head SET checkpoint = $1").bind(note)).await.unwrap();
    assert!(Ledger::start(db.clone(), signer(), Clock::system()).await.is_err());
}
