//! A call that is sent again under its key: the limits that it used up itself are not held against it.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Scene, refused};
use crate::harness::server::until;
use crate::harness::{Answer, Caller, send};

const HISTORY: &str = r#"
[history.made]
action = "invoke"
set = "once"
within = "1h"

[history.passed]
action = "invoke"
set = "passing"
outcome = "success"
within = "1h"

[history.failed]
action = "invoke"
set = "failing"
outcome = "failed"
within = "1h"
"#;

const RULES: &str = r#"
@id("own.made") @title("Once an hour")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"once")
when { context.history.made > 1 };

@id("own.passed") @title("Not after it went well")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"passing")
when { context.history.passed >= 1 };

@id("own.failed") @title("Not after it went wrong")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"failing")
when { context.history.failed >= 1 };

@id("own.metered") @title("Once a day, and not after it went wrong")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"metered")
when { context.usage.calls_today > 1 || context.usage.failures_last_hour >= 1 };
"#;

async fn scene() -> Scene {
    Scene::new(&(HISTORY.to_owned(), RULES.to_owned())).await
}

async fn keyed(by: &Caller, path: &str, key: &str, arguments: Value) -> Answer {
    let request = by.request(Method::POST, path).json(&json!({ "arguments": arguments }));
    send(request.header("idempotency-key", key)).await
}

/// What the audit holds of the newest call.
async fn newest(scene: &Scene) -> Value {
    let path = "/api/v1/audit-events?action=tool.invoke&page_size=1";
    scene.admin.get(path).await.expect(200)["items"][0]["entry"].clone()
}

#[tokio::test]
async fn what_a_call_used_up_does_not_refuse_its_answer() {
    let scene = scene().await;
    let (registered, agent) = scene.gate().agent("robot", "agent").await;
    let cases = [
        ("once", "/x", 200, "own.made"),
        ("passing", "/x", 200, "own.passed"),
        ("metered", "/x", 200, "own.metered"),
        ("failing", "/status/500", 502, "own.failed"),
        ("metered", "/status/500", 502, "own.metered"),
    ];
    for (at, (tag, endpoint, status, rule)) in cases.into_iter().enumerate() {
        let tool = scene.tool(&format!("tool_{at}"), tag, endpoint).await;
        let key = format!("key-{at}");
        let first = keyed(&agent, &tool, &key, json!({})).await;
        assert_eq!(first.status, status, "{}", first.text);
        for _ in 0..2 {
            let other = keyed(&agent, &tool, "other", json!({})).await;
            assert_eq!(other.json()["reasons"], json!([rule]), "{}", other.text);
            let again = keyed(&agent, &tool, &key, json!({})).await;
            assert_eq!(again.status, status, "{tag}: {}", again.text);
            if status == 200 {
                assert_eq!(again.json(), first.json());
            }
            let entry = newest(&scene).await;
            assert_eq!(entry["decision"], "allow");
            assert_eq!(entry["details"]["replayed"], true);
        }
        assert_eq!(scene.upstream.calls(), at + 1);
    }

    // Policies are asked again: the key opens nothing for those who may not call any more.
    let tool = scene.tool("last", "once", "/x").await;
    let (_, other) = scene.gate().agent("other", "agent").await;
    keyed(&other, &tool, "mine", json!({})).await.expect(200);
    refused(&keyed(&other, &tool, "mine", json!({ "another": 1 })).await, "own.made");
    refused(&keyed(&agent, &tool, "mine", json!({})).await, "own.made");
    let suspend = format!("/api/v1/agents/{}/suspend", registered["client_id"].as_str().unwrap());
    let first = scene.tool("never_again", "free", "/x").await;
    keyed(&agent, &first, "free", json!({})).await.expect(200);
    scene.admin.act(&suspend).await.expect(200);
    let gone = keyed(&agent, &first, "free", json!({})).await;
    assert!([401, 403, 404].contains(&gone.status.as_u16()), "{}", gone.text);
}

#[tokio::test]
async fn every_door_gives_the_kept_answer() {
    let scene = scene().await;
    let (_, agent) = scene.gate().agent("robot", "agent").await;
    scene.tool("deploy", "once", "/x").await;
    let execute = async || {
        let request = agent.request(Method::POST, "/api/v1/agent/execute");
        let request = request.json(&json!({ "custom_actions": { "deploy": {} } }));
        let said = send(request.header("idempotency-key", "k1")).await.expect(200);
        said["actions"]["deploy"].clone()
    };
    let (first, again) = (execute().await, execute().await);
    assert_eq!(first["status"], "success", "{first}");
    assert_eq!(first, again);
    assert_eq!(scene.upstream.calls(), 1);
}

#[tokio::test]
async fn a_call_under_way_and_one_that_was_lost_are_told_as_what_they_are() {
    let scene = scene().await;
    let (_, agent) = scene.gate().agent("robot", "agent").await;
    let tool = scene.tool("slow", "once", "/never").await;
    let call = tokio::spawn({
        let (agent, tool) = (agent.clone(), tool.clone());
        async move { keyed(&agent, &tool, "k1", json!({})).await }
    });
    tokio::task::spawn_blocking({
        let upstream = scene.upstream.clone();
        move || until(Duration::from_secs(10), || (upstream.calls() == 1).then_some(()))
    })
    .await
    .unwrap();
    keyed(&agent, &tool, "k1", json!({})).await.problem(409, "conflict");
    refused(&keyed(&agent, &tool, "k2", json!({})).await, "own.made");
    let file = scene.gate().folder.path().join("gatewright.db");
    let store = rusqlite::Connection::open(file).unwrap();
    assert_eq!(store.execute("UPDATE calls SET give_up_at = 1", []).unwrap(), 1);
    keyed(&agent, &tool, "k1", json!({})).await.problem(409, "outcome_unknown");
    assert_eq!(scene.upstream.calls(), 1);
    call.abort();
}
