//! A server that is killed (`kill -9`) while calls are under way: what it had reserved is neither
//! lost nor kept for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatewright::clock::Clock;
use gatewright::store::{self, Database, Statement};
use reqwest::Method;
use serde_json::json;

use super::{Scene, call, limited, refused};
use crate::harness::stores::{batch, group};
use crate::harness::{Caller, server};

const TIME_MAX: Duration = Duration::from_secs(20);
const OPEN: &str = "SELECT COUNT(*) FROM history WHERE lease_until IS NOT NULL";

/// What is asked of a server that does not live to answer.
fn ask(by: &Caller, path: &str) -> tokio::task::JoinHandle<reqwest::Result<reqwest::Response>> {
    let request = by.request(Method::POST, path).json(&json!({ "arguments": {} }));
    tokio::spawn(request.send())
}

async fn until(mut look: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !look().await {
        assert!(started.elapsed() < TIME_MAX, "waited {TIME_MAX:?} in vain");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn db(scene: &Scene) -> Arc<dyn Database> {
    store::open(&scene.gate().setting("database.url").parse().unwrap()).unwrap()
}

async fn open(db: &dyn Database) -> i64 {
    db.query(OPEN, vec![]).await.unwrap()[0].int(0).unwrap()
}

async fn change(db: &dyn Database, statement: Statement) {
    db.commit(group(vec![batch(vec![statement])])).await.unwrap().remove(0).unwrap();
}

/// Two are allowed; the first of them never answers, and its server is killed.
#[tokio::test]
async fn a_call_that_was_under_way_is_counted_and_the_rest_is_still_there() {
    let mut scene = Scene::new(&limited("", "context.history.counted > 2")).await;
    let path = scene.tool("read", "counted", "/read").await;
    let slow = scene.tool("slow", "counted", "/never").await;
    let (registered, agent) = scene.gate().agent("robot", "agent").await;
    let under_way = ask(&agent, &slow);
    let upstream = scene.upstream.clone();
    until(async || upstream.calls() == 1).await;
    scene.gates[0].restart();
    assert!(under_way.await.unwrap().is_err(), "nobody was left to answer");

    // It may have had its effect.
    let agent = scene.gate().machine(&registered).await;
    call(&agent, &path, json!({})).await.expect(200);
    refused(&call(&agent, &path, json!({})).await, "history.limit");
    assert_eq!((scene.upstream.calls(), open(&*db(&scene)).await), (2, 0));
}

#[tokio::test]
async fn another_replica_goes_on_while_one_is_killed_in_mid_call() {
    let rules = limited("", "context.history.counted > 2");
    let mut scene = Scene::on_postgres(&rules).await;
    let path = scene.tool("read", "counted", "/read").await;
    let slow = scene.tool("slow", "counted", "/never").await;
    let (registered, agent) = scene.gate().agent("robot", "agent").await;
    let other = scene.join().await;
    let under_way = ask(&agent, &slow);
    let upstream = scene.upstream.clone();
    until(async || upstream.calls() == 1).await;
    // One is taken by whoever is in mid-call: the other replica has the second, and no third.
    call(&other, &path, json!({})).await.expect(200);
    server::signal(scene.gate().pid(), "KILL");
    assert!(under_way.await.unwrap().is_err(), "nobody was left to answer");
    refused(&call(&other, &path, json!({})).await, "history.limit");
    scene.gates[0].restart();
    let agent = scene.gate().machine(&registered).await;
    refused(&call(&agent, &path, json!({})).await, "history.limit");
    assert_eq!((scene.upstream.calls(), open(&*db(&scene)).await), (2, 0));
}

/// Killed between reserving and deciding: the call waits for what becomes of one before it.
async fn killed_before_it_decided(scene: &Scene, path: &str, db: &dyn Database) {
    call(&scene.admin, path, json!({})).await.expect(200);
    let before = Statement::new(
        "INSERT INTO history (id, fact, subject, seq, at, lease_until, keep_until)
         SELECT 'before', fact, subject, seq, at, $1, keep_until FROM history",
    );
    change(db, before.bind(Clock::system().micros() + 60_000_000).expect_rows(1)).await;
    let undecided = ask(&scene.admin, path);
    until(async || open(db).await == 2).await;
    server::signal(scene.gate().pid(), "KILL");
    assert!(undecided.await.unwrap().is_err(), "nobody was left to answer");
    change(db, Statement::new("DELETE FROM history WHERE id = 'before'").expect_rows(1)).await;
    assert_eq!(open(db).await, 1, "the dead server's own");
}

/// The lease ends a moment from now, as it would a quarter of a minute after the server died; who
/// asks until then is refused or waits, and gets the place when it is over.
async fn free_again(by: &Caller, path: &str, db: &dyn Database) {
    refused(&call(by, path, json!({})).await, "history.limit");
    let ends = "UPDATE history SET lease_until = $1 WHERE lease_until IS NOT NULL";
    let ends = Statement::new(ends).bind(Clock::system().micros() + 500_000).expect_rows(1);
    change(db, ends).await;
    until(async || match call(by, path, json!({})).await {
        it if it.status == 200 => true,
        it => {
            refused(&it, "history.limit");
            false
        }
    })
    .await;
    refused(&call(by, path, json!({})).await, "history.limit");
    assert_eq!(open(db).await, 0);
}

#[tokio::test]
async fn what_was_reserved_and_never_decided_is_free_again_after_a_restart() {
    let mut scene = Scene::new(&limited("", "context.history.counted > 2")).await;
    let path = scene.tool("read", "counted", "/read").await;
    let (registered, _) = scene.gate().agent("robot", "agent").await;
    let db = db(&scene);
    killed_before_it_decided(&scene, &path, &*db).await;
    scene.gates[0].restart();
    let agent = scene.gate().machine(&registered).await;
    free_again(&agent, &path, &*db).await;
    assert_eq!(scene.upstream.calls(), 2);
}

#[tokio::test]
async fn what_was_reserved_and_never_decided_is_free_again_for_another_replica() {
    let mut scene = Scene::on_postgres(&limited("", "context.history.counted > 2")).await;
    let path = scene.tool("read", "counted", "/read").await;
    let other = scene.join().await;
    let db = db(&scene);
    killed_before_it_decided(&scene, &path, &*db).await;
    free_again(&other, &path, &*db).await;
    assert_eq!(scene.upstream.calls(), 2);
}
