//! Ways past the gateway that were tried.

use reqwest::Method;
use serde_json::json;

use super::{registered, scene, tool};
use crate::harness::{Caller, Upstream, send};

const SECRET: &str = "s3same-0pen-canary";

#[tokio::test]
async fn secrets_do_not_follow_a_tool_to_another_host() {
    let (_gate, upstream, admin, agent) = scene().await;
    let elsewhere = Upstream::open().await;
    let bearer = json!({ "auth_method": "bearer", "secrets": { "token": SECRET } });
    let path = registered(&admin, &tool("orders", &upstream.url("/x"), &bearer)).await;
    let one = path.trim_end_matches("/invoke");
    let moved = json!({ "endpoint": elsewhere.url("/x") });
    let problem = admin.patch(one, &moved).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/secrets/token", "{problem}");
    // On the same host it may have another path.
    admin.patch(one, &json!({ "endpoint": upstream.url("/y") })).await.expect(200);
    agent.post(&path, &json!({ "arguments": {} })).await.expect(200);
    assert_eq!(upstream.last()["headers"]["authorization"], format!("Bearer {SECRET}"));
    let given = json!({ "endpoint": elsewhere.url("/x"), "secrets": { "token": "another" } });
    admin.patch(one, &given).await.expect(200);
    agent.post(&path, &json!({ "arguments": {} })).await.expect(200);
    assert_eq!(elsewhere.last()["headers"]["authorization"], "Bearer another");
}

#[tokio::test]
async fn arguments_ask_for_nothing_that_the_tool_asks_for_itself() {
    let (_gate, upstream, admin, agent) = scene().await;
    let keyed = json!({
        "method": "GET", "input_schema": { "type": "object" },
        "auth_method": "api_key", "auth_config": { "in": "query", "name": "key" },
        "secrets": { "api_key": SECRET },
    });
    let path = registered(&admin, &tool("q", &upstream.url("/q?tenant=acme"), &keyed)).await;
    for arguments in [json!({ "tenant": "evil" }), json!({ "key": "mine" })] {
        let ask = json!({ "arguments": arguments });
        agent.post(&path, &ask).await.problem(502, "upstream_refused");
    }
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn neighbouring_integers_are_different_calls() {
    let (_gate, upstream, admin, agent) = scene().await;
    let path = registered(&admin, &tool("orders", &upstream.url("/x"), &json!({}))).await;
    let ask = |amount: u64| {
        let body = json!({ "arguments": { "amount": amount } });
        agent.request(Method::POST, &path).header("idempotency-key", "k").json(&body)
    };
    send(ask(9_007_199_254_740_992)).await.expect(200);
    send(ask(9_007_199_254_740_993)).await.problem(409, "conflict");
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn what_a_tool_is_called_with_calls_no_tool() {
    let (gate, upstream, admin, agent) = scene().await;
    let biscuit = json!({ "auth_method": "biscuit" });
    let path = registered(&admin, &tool("orders", &upstream.url("/x"), &biscuit)).await;
    agent.post(&path, &json!({ "arguments": {} })).await.expect(200);
    let heard = upstream.last()["headers"]["authorization"].as_str().unwrap().to_owned();
    let thief = Caller::new(&gate.url, heard.strip_prefix("Bearer "));
    let problem = thief.post(&path, &json!({ "arguments": {} })).await;
    problem.problem(401, "unauthenticated");
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_credential_is_no_first_call() {
    let (_gate, upstream, admin, agent) = scene().await;
    let medium = json!({ "risk_level": "medium", "tags": ["translation"] });
    let path = registered(&admin, &tool("orders", &upstream.url("/x"), &medium)).await;
    let ask = json!({ "arguments": {} });
    let first = agent.post(&path, &ask).await;
    let access = path.replace("/invoke", "/access");
    agent.post(&access, &json!({ "scopes": ["call"] })).await;
    let second = agent.post(&path, &ask).await;
    assert_eq!((first.status, second.status), (first.status, first.status), "{}", second.text);
    assert_ne!(first.status, 200);
    assert_eq!(upstream.calls(), 0);
}
