//! The operator's webhook: told of what there is to decide, and of no arguments.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Scene, eventually};
use crate::harness::{Setup, Upstream};

const SECRET: &str = "a-secret-of-the-webhook-0123456789";

fn told(hook: &Upstream, path: &str) -> Setup {
    let setup = Setup::new().with("approvals.webhook_url", &hook.url(path));
    setup.with("approvals.webhook_secret", SECRET)
}

#[tokio::test]
async fn a_new_request_is_told_and_signed() {
    let hook = Upstream::open().await;
    let it = Scene::on(told(&hook, "/hook")).await;
    let asked = it.ask(&json!({ "password": "canary-in-an-argument" })).await;
    it.ask(&json!({ "password": "canary-in-an-argument" })).await;
    let heard: Value = eventually({
        let hook = hook.clone();
        move || (hook.calls() > 0).then(|| hook.last()).filter(|it| it.is_object())
    })
    .await;
    let body = heard["body"].as_str().unwrap();
    assert!(!heard.to_string().contains("canary"), "{heard}");
    let message: Value = serde_json::from_str(body).unwrap();
    assert_eq!(message["type"], "approval.requested");
    assert_eq!(message["data"]["id"], asked["id"]);
    assert_eq!(message["data"]["tool"]["name"], "pay");
    assert_eq!(message["data"]["requested_by"]["name"], "lingua");
    let url = format!("{}/api/v1/approvals/{}", it.gate.url, asked["id"].as_str().unwrap());
    assert_eq!(message["data"]["url"], url);

    let header = |name: &str| heard["headers"][name].as_str().unwrap().to_owned();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    assert_eq!(id, asked["id"].as_str().unwrap());
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(header("webhook-signature"), expected);
    for entry in settled(&it).await {
        assert_eq!(entry["details"]["told"], true, "{entry}");
    }
    assert_eq!(hook.calls(), 1, "once for one request");
}

/// What the audit says came of telling, once it says something.
async fn settled(it: &Scene) -> Vec<Value> {
    let path = "/api/v1/audit-events?action=system.approval_notified";
    let deadline = std::time::Instant::now() + super::TIME_MAX;
    loop {
        let found = it.admin.get(path).await.expect(200)["items"].clone();
        let entries: Vec<Value> =
            found.as_array().unwrap().iter().map(|it| it["entry"].clone()).collect();
        if !entries.is_empty() {
            return entries;
        }
        assert!(std::time::Instant::now() < deadline, "nothing came of it");
    }
}

#[tokio::test]
async fn a_webhook_that_fails_is_told_again_also_by_the_next_process() {
    let hook = Upstream::open().await;
    let mut it = Scene::on(told(&hook, "/status/500")).await;
    let asked = it.ask(&json!({ "amount": 1 })).await;
    let calls = |least: usize| {
        let hook = hook.clone();
        move || (hook.calls() >= least).then_some(())
    };
    eventually(calls(1)).await;
    // What a process dies over is its own for a while.
    settled(&it).await;
    it.gate.restart();
    eventually(calls(2)).await;
    let heard: Value = serde_json::from_str(hook.last()["body"].as_str().unwrap()).unwrap();
    assert_eq!(heard["data"]["id"], asked["id"]);
}
