//! The same request sent again: one effect, whatever becomes of the answer.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{registered, scene, setup, tool};
use crate::harness::server::until;
use crate::harness::{Answer, Caller, Setup, Upstream, send};

async fn keyed(caller: &Caller, path: &str, key: &str, arguments: &Value) -> Answer {
    let request = caller.request(Method::POST, path).json(&json!({ "arguments": arguments }));
    send(request.header("idempotency-key", key)).await
}

#[tokio::test]
async fn one_key_is_one_call() {
    let (gate, upstream, admin, agent) = scene().await;
    let path = registered(&admin, &tool("orders", &upstream.url("/x"), &json!({}))).await;
    let first = keyed(&agent, &path, "k1", &json!({ "amount": 1 })).await.expect(200);
    let again = keyed(&agent, &path, "k1", &json!({ "amount": 1 })).await.expect(200);
    assert_eq!(first, again);
    assert_eq!(upstream.calls(), 1);
    keyed(&agent, &path, "k1", &json!({ "amount": 2 })).await.problem(409, "conflict");
    let (_, other) = gate.agent("other", "agent").await;
    keyed(&other, &path, "k1", &json!({ "amount": 2 })).await.expect(200);
    keyed(&agent, &path, "a b", &json!({})).await.problem(400, "malformed");
    assert_eq!(upstream.calls(), 2);

    let failing = registered(&admin, &tool("bad", &upstream.url("/status/500"), &json!({}))).await;
    for _ in 0..2 {
        keyed(&agent, &failing, "k2", &json!({})).await.problem(502, "upstream_refused");
    }
    assert_eq!(upstream.calls(), 3);
}

#[tokio::test]
async fn of_many_at_once_one_is_made() {
    for setup in [setup(), Setup::on_postgres().with("probe.allow_private_networks", "true")] {
        let (gate, upstream) = (setup.start(), Upstream::open().await);
        let admin = gate.admin().await;
        let (_, agent) = gate.agent("lingua", "agent").await;
        let path = registered(&admin, &tool("orders", &upstream.url("/x"), &json!({}))).await;
        let arguments = json!({ "amount": 1 });
        let calls = (0..16).map(|_| keyed(&agent, &path, "same", &arguments));
        let answers = futures_util::future::join_all(calls).await;
        assert_eq!(upstream.calls(), 1);
        let made = answers.iter().filter(|it| it.status == 200).count();
        assert!(made >= 1 && answers.iter().all(|it| [200, 409].contains(&it.status.as_u16())));
    }
}

#[tokio::test]
async fn a_call_that_the_process_did_not_survive_is_unknown_and_not_made_again() {
    let setup = setup().with("gateway.timeout_seconds", "1");
    let (mut gate, upstream) = (setup.start(), Upstream::open().await);
    let admin = gate.admin().await;
    let (machine, agent) = gate.agent("lingua", "agent").await;
    let path = registered(&admin, &tool("slow", &upstream.url("/never"), &json!({}))).await;
    let call = tokio::spawn({
        let (agent, path) = (agent.clone(), path.clone());
        async move {
            let request = agent.request(Method::POST, &path).json(&json!({ "arguments": {} }));
            request.header("idempotency-key", "k1").send().await.map(drop)
        }
    });
    tokio::task::spawn_blocking({
        let upstream = upstream.clone();
        move || until(Duration::from_secs(10), || (upstream.calls() == 1).then_some(()))
    })
    .await
    .unwrap();
    // As long as another process might still be at it, it is under way.
    keyed(&agent, &path, "k1", &json!({})).await.problem(409, "conflict");
    let store = rusqlite::Connection::open(gate.folder.path().join("gatewright.db")).unwrap();
    assert_eq!(store.execute("UPDATE calls SET give_up_at = 1", []).unwrap(), 1);
    drop(store);
    gate.restart();
    assert!(call.await.unwrap().is_err(), "nobody was left to answer");
    let agent = gate.machine(&machine).await;
    keyed(&agent, &path, "k1", &json!({})).await.problem(409, "outcome_unknown");
    assert_eq!(upstream.calls(), 1);
    let admin = gate.admin().await;
    let settled = "/api/v1/audit-events?action=system.settle_calls";
    let found = admin.get(settled).await.expect(200);
    let unknown = &found["items"][0]["entry"]["details"]["unknown"];
    assert_eq!(unknown.as_array().map(Vec::len), Some(1), "{found}");
}
