//! What is reserved comes back: after a crash, from calls that never left, from answers that are
//! only repeated.

use std::time::{Duration, Instant};

use gatewright::clock::Clock;
use gatewright::store::{self, Statement};
use reqwest::Method;
use serde_json::json;

use super::{Scene, call, limited, refused};
use crate::harness::stores::{batch, group};
use crate::harness::{Answer, Caller, Setup, send};

const REASON: &str = "history.limit";
const TIME_MAX: Duration = Duration::from_secs(8);

fn two() -> (String, String) {
    limited("", "context.history.counted > 2")
}

#[tokio::test]
async fn what_a_dead_replica_had_reserved_is_free_when_its_lease_ends() {
    after_a_crash(Scene::new(&two()).await).await;
}

#[tokio::test]
async fn what_a_dead_replica_had_reserved_is_free_when_its_lease_ends_on_postgres() {
    after_a_crash(Scene::on_postgres(&two()).await).await;
}

async fn after_a_crash(scene: Scene) {
    let path = scene.tool("read", "counted", "/read").await;
    call(&scene.admin, &path, json!({})).await.expect(200);
    // As a process leaves it that died between reserving and deciding.
    let left = Statement::new(
        "INSERT INTO history (id, fact, subject, seq, at, lease_until, keep_until)
         SELECT 'left', fact, subject, seq, at, $1, keep_until FROM history",
    )
    .bind(Clock::system().micros() + 3_000_000)
    .expect_rows(1);
    let db = store::open(&scene.gate().setting("database.url").parse().unwrap()).unwrap();
    db.commit(group(vec![batch(vec![left])])).await.unwrap().remove(0).unwrap();

    refused(&call(&scene.admin, &path, json!({})).await, REASON);
    let deadline = Instant::now() + TIME_MAX;
    loop {
        let answer = call(&scene.admin, &path, json!({})).await;
        if answer.status == 200 {
            break;
        }
        refused(&answer, REASON);
        assert!(Instant::now() < deadline, "it was never free again");
    }
    refused(&call(&scene.admin, &path, json!({})).await, REASON);
    let open = "SELECT COUNT(*) FROM history WHERE lease_until IS NOT NULL OR id = 'left'";
    assert_eq!(db.query(open, vec![]).await.unwrap()[0].int(0).unwrap(), 0);
}

#[tokio::test]
async fn calls_that_never_left_and_answers_that_are_repeated_count_for_nothing() {
    let scene = Scene::new(&two()).await;
    let closed = json!({
        "tool_type": "http", "name": "closed", "endpoint": "http://127.0.0.1:1/",
        "scopes": ["call"], "tags": ["counted"], "input_schema": { "type": "object" },
    });
    let closed = scene.admin.post("/api/v1/tools", &closed).await.expect(201);
    let closed = format!("/api/v1/tools/{}/invoke", closed["id"].as_str().unwrap());
    for _ in 0..3 {
        let answer = call(&scene.admin, &closed, json!({})).await;
        assert!(answer.status.is_server_error(), "{}", answer.text);
    }
    let path = scene.tool("read", "counted", "/read").await;
    let first = keyed(&scene.admin, &path).await.expect(200);
    assert_eq!(keyed(&scene.admin, &path).await.expect(200), first);
    call(&scene.admin, &path, json!({})).await.expect(200);
    refused(&call(&scene.admin, &path, json!({})).await, REASON);
    assert_eq!(scene.upstream.calls(), 2);
    let status = scene.tool("failing", "counted", "/status/500").await;
    refused(&call(&scene.admin, &status, json!({})).await, REASON);
}

async fn keyed(caller: &Caller, path: &str) -> Answer {
    let request = caller.request(Method::POST, path).json(&json!({ "arguments": {} }));
    send(request.header("idempotency-key", "once")).await
}

#[tokio::test]
async fn credentials_are_counted_like_calls() {
    let declaration = "[history.vended]\naction = \"request_credential\"\nwithin = \"1h\"\n";
    let rule = "@id(\"history.limit\") @title(\"No more of these\") forbid (principal, action == \
        Gatewright::Action::\"request_credential\", resource) when { context.history.vended > 2 };";
    let scene = Scene::new(&(declaration.to_owned(), rule.to_owned())).await;
    let tool = json!({
        "tool_type": "function", "name": "calc", "scopes": ["evaluate"], "input_schema": {},
    });
    scene.admin.post("/api/v1/tools", &tool).await.expect(201);
    let ask = json!({ "tool": "calc", "scopes": ["evaluate"] });
    let greedy = json!({ "tool": "calc", "scopes": ["evaluate", "delete"] });
    let vend = async |body| scene.admin.post("/api/v1/credentials", body).await;
    for _ in 0..3 {
        vend(&greedy).await.problem(403, "denied");
    }
    vend(&ask).await.expect(201);
    vend(&ask).await.expect(201);
    refused(&vend(&ask).await, REASON);
}

#[tokio::test]
async fn whoever_looks_at_what_it_may_do_is_told_the_counts_and_takes_nothing() {
    let declaration = "[history.calls]\naction = \"invoke\"\nwithin = \"1h\"\n";
    let rule = "@id(\"history.limit\") @title(\"No more of these\") forbid (principal, action in \
        Gatewright::Action::\"call\", resource) when { context.history.calls > 1 };";
    let offered = Setup::new().with("actions.calculator", "read");
    let scene = Scene::on(offered, declaration, rule).await;
    let path = scene.tool("read", "counted", "/read").await;
    let may = async || {
        let listed = scene.admin.get("/api/v1/agent/actions").await.expect(200);
        let usable: Vec<bool> =
            (listed["items"].as_array().unwrap().iter()).map(|it| it["may_use"] == true).collect();
        assert!(!usable.is_empty(), "no action to look at");
        usable.into_iter().any(|it| it)
    };
    for _ in 0..3 {
        assert!(may().await);
    }
    call(&scene.admin, &path, json!({})).await.expect(200);
    assert!(!may().await);
}
