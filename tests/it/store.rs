//! What a store has to keep, the same for every database.

use std::process::{Child, Stdio};

use gatewright::store::{Database as _, Error, Group, Postgres, Statement, Value};

use crate::harness::Setup;
use crate::harness::postgres::fresh_database;
use crate::harness::proxy::Proxy;
use crate::harness::stores::{Store, batch, group, stores};

/// Every store, with a table to write to.
async fn prepared() -> [Store; 3] {
    let stores = stores().await;
    for store in &stores {
        let table = Statement::new(
            "CREATE TABLE things (id TEXT PRIMARY KEY, n BIGINT, flag BOOLEAN, note TEXT, raw BYTEA)",
        );
        store.write(vec![batch(vec![table])]).await;
    }
    stores
}

fn put(id: &str) -> Statement {
    Statement::new("INSERT INTO things (id) VALUES ($1)").bind(id).expect_rows(1)
}

async fn ids(store: &Store) -> Vec<String> {
    let rows = store.rows("SELECT id FROM things ORDER BY id").await;
    rows.iter().map(|it| it.text(0).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn parameters_go_where_their_numbers_say() {
    for store in prepared().await {
        let insert = "INSERT INTO things (id, n, note) VALUES ($3, $2, $1)";
        let insert = Statement::new(insert).bind("note").bind(7).bind("id").expect_rows(1);
        let twice = "UPDATE things SET note = $2, n = $3 WHERE id = $1 AND id <> $2 AND note <> $2";
        let twice = Statement::new(twice).bind("id").bind("other").bind(8).expect_rows(1);
        store.write(vec![batch(vec![insert, twice])]).await;
        let sql = "SELECT id, n, note FROM things WHERE n = $2 AND ($1 = '' OR note = $1)";
        let rows = store.db.query(sql, vec!["other".into(), 8.into()]).await.unwrap();
        let [row] = &rows[..] else { panic!("{}: {rows:?}", store.what) };
        assert_eq!((row.text(0).unwrap(), row.int(1).unwrap()), ("id", 8), "{}", store.what);
        assert_eq!(row.text(2).unwrap(), "other", "{}", store.what);
    }
}

#[tokio::test]
async fn every_kind_of_value_comes_back_as_it_went() {
    let all_bytes: Vec<u8> = (0..=255).collect();
    let long = "x".repeat(100_000);
    let rows: [(i64, bool, &str, &[u8]); 4] = [
        (i64::MIN, true, "Ω \"quoted\" ' % _ $1 ?1 \\ \u{fffd}", &all_bytes),
        (i64::MAX, false, "", &[]),
        (0, true, &long, b"text"),
        (-1, false, "1e400", &[0]),
    ];
    for store in prepared().await {
        const PUT: &str = "INSERT INTO things (id, n, flag, note, raw) VALUES ($1, $2, $3, $4, $5)";
        let put = |id: usize, (n, flag, note, raw): (i64, bool, &str, &[u8])| {
            let id = id.to_string();
            Statement::new(PUT).bind(id).bind(n).bind(flag).bind(note).bind(raw.to_vec())
        };
        let mut puts: Vec<_> = rows.iter().enumerate().map(|(id, it)| put(id, *it)).collect();
        let null = |it: Statement| it.bind(Value::Null);
        puts.push(null(null(null(null(Statement::new(PUT).bind("null"))))));
        store.write(vec![batch(puts)]).await;
        let read = store.rows("SELECT n, flag, note, raw FROM things ORDER BY id").await;
        for ((n, flag, note, raw), row) in rows.iter().zip(&read) {
            assert_eq!(row.int(0).unwrap(), *n, "{}", store.what);
            assert_eq!(row.bool(1).unwrap(), *flag, "{}", store.what);
            assert_eq!(row.text(2).unwrap(), *note, "{}", store.what);
            assert_eq!(row.bytes(3).unwrap(), *raw, "{}", store.what);
        }
        let null = &read[4];
        assert_eq!((null.opt_int(0).unwrap(), null.opt_text(2).unwrap()), (None, None));
        assert!(null.int(0).is_err() && null.bool(1).is_err() && null.bytes(3).is_err());
        assert!(null.text(4).is_err(), "there is no such column");
    }
}

#[tokio::test]
async fn a_batch_in_conflict_is_undone_alone() {
    for store in prepared().await {
        store.write(vec![batch(vec![put("there")])]).await;
        let missed = Statement::new("UPDATE things SET n = 1 WHERE id = 'absent'").expect_rows(1);
        let batches = vec![
            batch(vec![put("a")]),
            batch(vec![put("b"), missed]),
            batch(vec![put("c"), put("there"), put("d")]),
            batch(vec![put("e"), Statement::new("DELETE FROM things WHERE id = 'absent'")]),
        ];
        let outcomes = store.db.commit(group(batches)).await.unwrap();
        let conflicts: Vec<bool> =
            outcomes.iter().map(|it| matches!(it, Err(Error::Conflict))).collect();
        assert_eq!(conflicts, [false, true, true, false], "{}", store.what);
        assert_eq!(ids(&store).await, ["a", "e", "there"], "{}", store.what);
    }
}

#[tokio::test]
async fn any_other_error_undoes_the_whole_group() {
    for store in prepared().await {
        for wrong in ["INSERT INTO nowhere (id) VALUES (1)", "this is not SQL"] {
            let batches = vec![
                batch(vec![put("a")]),
                batch(vec![put("b"), Statement::new(wrong)]),
                batch(vec![put("c")]),
            ];
            let ended = store.db.commit(group(batches)).await;
            let error = ended.expect_err(store.what);
            assert!(!matches!(error, Error::Conflict | Error::InDoubt), "{error}");
            assert!(ids(&store).await.is_empty(), "{}", store.what);
        }
        store.write(vec![batch(vec![put("d")])]).await;
        assert_eq!(ids(&store).await, ["d"], "{}: the next group is not hurt", store.what);
    }
}

#[tokio::test]
async fn a_guard_without_a_row_undoes_everything() {
    for store in prepared().await {
        let guard = Statement::new("UPDATE audit_head SET size = 1 WHERE id = 2 RETURNING size");
        let ended = store.db.commit(Group { guard, ..group(vec![batch(vec![put("a")])]) }).await;
        assert!(matches!(ended, Err(Error::Conflict)), "{}", store.what);
        assert!(ids(&store).await.is_empty(), "{}", store.what);
    }
}

#[tokio::test]
async fn the_seal_knows_which_batches_held_and_can_undo_them_all() {
    for store in prepared().await {
        let batches = || vec![batch(vec![put("a")]), batch(vec![put("b"), put("b")])];
        let guard = || {
            let sql = "UPDATE audit_head SET size = size + 41 WHERE id = 1 RETURNING size, 'told'";
            Statement::new(sql)
        };
        let failing = Group {
            guard: guard(),
            seal: Box::new(|_, _| Err(Error::Damaged("by the test"))),
            ..group(batches())
        };
        assert!(matches!(store.db.commit(failing).await, Err(Error::Damaged("by the test"))));
        let clashing = Group {
            guard: guard(),
            seal: Box::new(|_, _| Ok(vec![put("c"), put("a")])),
            ..group(batches())
        };
        assert!(matches!(store.db.commit(clashing).await, Err(Error::Conflict)));
        assert!(ids(&store).await.is_empty(), "{}", store.what);
        let sealed = Group {
            guard: guard(),
            seal: Box::new(|row, held| {
                let seen = format!("{} {} {held:?}", row.int(0)?, row.text(1)?);
                Ok(vec![put(&seen)])
            }),
            ..group(batches())
        };
        store.db.commit(sealed).await.unwrap();
        assert_eq!(ids(&store).await, ["41 told [true, false]", "a"], "{}", store.what);
    }
}

#[tokio::test]
async fn readers_see_every_commit_that_was_answered() {
    for store in prepared().await {
        for n in 0..50 {
            store.write(vec![batch(vec![put(&n.to_string())])]).await;
            let reads = (0..8).map(|_| store.rows("SELECT COUNT(*) FROM things"));
            for rows in futures_util::future::join_all(reads).await {
                assert_eq!(rows[0].int(0).unwrap(), n + 1, "{}", store.what);
            }
        }
    }
}

#[tokio::test]
async fn reads_that_nobody_waits_for_take_no_reader_away() {
    for store in prepared().await {
        for _ in 0..64 {
            let read = store.db.query("SELECT COUNT(*) FROM things", vec![]);
            let _ = tokio::time::timeout(std::time::Duration::ZERO, read).await;
        }
        let reads = (0..32).map(|_| store.rows("SELECT COUNT(*) FROM things"));
        assert_eq!(futures_util::future::join_all(reads).await.len(), 32, "{}", store.what);
    }
}

#[tokio::test]
async fn a_panic_in_the_middle_of_a_commit_leaves_the_store_usable() {
    for store in prepared().await {
        let db = store.db.clone();
        let panicking = Group {
            seal: Box::new(|_, _| panic!("by the test")),
            ..group(vec![batch(vec![put("a")])])
        };
        let ended = tokio::spawn(async move { db.commit(panicking).await }).await;
        assert!(!matches!(ended, Ok(Ok(_))), "{}", store.what);
        store.write(vec![batch(vec![put("b")])]).await;
        assert_eq!(ids(&store).await, ["b"], "{}", store.what);
    }
}

#[tokio::test]
async fn processes_that_start_together_bring_the_schema_up_to_date_once() {
    for setup in [Setup::new(), Setup::on_postgres()] {
        let start = |_| {
            let mut command = setup.command(&["migrate"]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let started: Vec<Child> = (0..8).map(start).collect();
        for child in started {
            let ended = child.wait_with_output().unwrap();
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        }
        assert!(setup.command(&["migrate"]).output().unwrap().status.success(), "once more");
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_in_doubt() {
    let proxy = Proxy::to(&fresh_database());
    let db = Postgres::open(&proxy.url).unwrap();
    db.migrate().await.unwrap();
    let table = || batch(vec![Statement::new("CREATE TABLE things (id TEXT PRIMARY KEY)")]);
    proxy.lose_answer_to("COMMIT");
    let ended = db.commit(group(vec![table()])).await;
    assert!(matches!(ended, Err(Error::InDoubt)), "{ended:?}");
    assert!(proxy.has_lost());
    let rows = db.query("SELECT COUNT(*) FROM things", vec![]).await.unwrap();
    assert_eq!(rows[0].int(0).unwrap(), 0, "it had been committed");
}
