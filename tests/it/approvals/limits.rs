//! How long, how many, and how much of it is shown.

use serde_json::json;

use super::{Scene, decide, path, with};
use crate::harness::Setup;

#[tokio::test]
async fn what_nobody_decides_expires() {
    let it = Scene::on(Setup::new().with("approvals.pending_ttl_seconds", "1")).await;
    let arguments = json!({ "amount": 1 });
    let asked = it.ask(&arguments).await;
    it.becomes(&asked, "expired").await;
    decide(&it.erin, &asked, "approve").await.problem(409, "conflict");
    let problem = it.call(&with(&asked, &arguments)).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("expired"), "{problem}");
    let again = it.ask(&arguments).await;
    assert_ne!(again["id"], asked["id"]);
}

#[tokio::test]
async fn what_nobody_uses_expires() {
    let it = Scene::on(Setup::new().with("approvals.approved_ttl_seconds", "1")).await;
    let arguments = json!({ "amount": 1 });
    let approval = it.approved(&arguments).await;
    it.becomes(&approval, "expired").await;
    it.call(&with(&approval, &arguments)).await.problem(409, "conflict");
    assert_eq!(it.upstream.calls(), 0);
}

#[tokio::test]
async fn nobody_asks_for_ever_more() {
    let it = Scene::new().await;
    let asks = (0..24).map(|n| {
        let it = &it;
        async move { it.call(&json!({ "arguments": { "amount": n } })).await }
    });
    let answers = futures_util::future::join_all(asks).await;
    assert_eq!(answers.iter().filter(|it| it.status == 202).count(), 20);
    let problem = it.call(&json!({ "arguments": { "amount": 99 } })).await;
    problem.problem(429, "too_many");
    assert!(problem.headers.contains_key("retry-after"));
    let (_, other) = it.gate.agent("poly", "translator").await;
    let invoke = format!("{}/invoke", it.tool_path());
    other.post(&invoke, &json!({ "arguments": {} })).await.expect(202);
    // Room is made by taking one back.
    let pending = it.agent.get("/api/v1/approvals?state=pending").await.expect(200);
    decide(&it.agent, &pending["items"][0], "cancel").await.expect(200);
    it.ask(&json!({ "amount": 99 })).await;
}

#[tokio::test]
async fn long_arguments_are_cut_where_they_are_shown_and_whole_where_they_go() {
    let it = Scene::new().await;
    let arguments = json!({ "text": "x".repeat(100_000), "last": true });
    let asked = it.ask(&arguments).await;
    assert_eq!(asked["arguments_complete"], false);
    let shown = it.erin.get(&path(&asked)).await.expect(200);
    assert!(shown.to_string().len() < 70_000);
    decide(&it.erin, &asked, "approve").await.expect(200);
    it.call(&with(&asked, &arguments)).await.expect(200);
    assert!(it.upstream.last()["body"].as_str().unwrap().len() > 100_000);
}
