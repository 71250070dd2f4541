//! A credential in the place of an access token: good for its own tool, and for what it admits.

use reqwest::Method;
use serde_json::{Value, json};

use super::{entries, registered, scene, tool};
use crate::harness::{Caller, Gate, send};

/// Somebody who shows a credential.
fn holder(gate: &Gate, token: &Value) -> Caller {
    Caller::new(&gate.url, token.as_str())
}

async fn vended(agent: &Caller, invoke: &str, more: &Value) -> Value {
    let mut ask = json!({ "scopes": ["call"] });
    ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let path = invoke.replace("/invoke", "/access");
    agent.post(&path, &ask).await.expect(201)["credential"].clone()
}

#[tokio::test]
async fn a_credential_calls_its_own_tool_as_its_holder() {
    let (gate, upstream, admin, agent) = scene().await;
    let path = registered(&admin, &tool("orders", &upstream.url("/x"), &json!({}))).await;
    let other = registered(&admin, &tool("other", &upstream.url("/x"), &json!({}))).await;
    let credential = vended(&agent, &path, &json!({})).await;
    let bearer = holder(&gate, &credential["token"]);
    let ask = json!({ "arguments": { "amount": 1 } });
    let answer = bearer.post(&path, &ask).await.expect(200);
    let decision = answer["decision_id"].as_str().unwrap();
    assert_eq!(entries(&admin, decision).await.len(), 1);
    let found = admin.get(&format!("/api/v1/audit-events?decision_id={decision}")).await;
    let entry = &found.expect(200)["items"][0]["entry"];
    assert_eq!(entry["details"]["by_credential"], credential["credential_id"]);
    assert_eq!(entry["actor"]["name"], "lingua");

    let problem = bearer.post(&other, &ask).await.problem(403, "not_admitted");
    assert_eq!(problem["reason"], "wrong_tool", "{problem}");
    for path in ["/api/v1/tools", "/api/v1/auth/me", "/api/v1/credentials"] {
        bearer.get(path).await.problem(401, "unauthenticated");
    }
    let again = path.replace("/invoke", "/access");
    bearer.post(&again, &json!({ "scopes": ["call"] })).await.problem(401, "unauthenticated");

    let id = credential["credential_id"].as_str().unwrap();
    agent.delete(&format!("/api/v1/credentials/{id}")).await.expect(204);
    let problem = bearer.post(&path, &ask).await.problem(401, "unauthenticated");
    assert_eq!(problem["reason"], "revoked", "{problem}");
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn it_admits_no_more_than_it_says() {
    let (gate, upstream, admin, agent) = scene().await;
    let two = json!({ "scopes": ["call", "admin"] });
    let wide = registered(&admin, &tool("wide", &upstream.url("/x"), &two)).await;
    let path = registered(&admin, &tool("orders", &upstream.url("/x"), &json!({}))).await;
    let ask = |amount: u64| json!({ "arguments": { "amount": amount } });
    // A call may use whatever the tool offers: part of it is not enough.
    let part = vended(&agent, &wide, &json!({})).await;
    let problem = holder(&gate, &part["token"]).post(&wide, &ask(1)).await;
    assert_eq!(problem.problem(403, "not_admitted")["reason"], "scope");

    let at_most = json!({ "constraints": [{ "pointer": "/amount", "at_most": 5 }] });
    let narrow = holder(&gate, &vended(&agent, &path, &at_most).await["token"]);
    narrow.post(&path, &ask(5)).await.expect(200);
    let problem = narrow.post(&path, &ask(6)).await.problem(403, "not_admitted");
    assert_eq!(problem["reason"], "argument", "{problem}");

    let bound = json!({ "holder_key": "k".repeat(43) });
    let bound = holder(&gate, &vended(&agent, &path, &bound).await["token"]);
    bound.post(&path, &ask(1)).await.problem(401, "unauthenticated");

    // What the tool is now is not what the credential was given for.
    let stale = holder(&gate, &vended(&agent, &path, &json!({})).await["token"]);
    let one = path.trim_end_matches("/invoke");
    admin.patch(one, &json!({ "description": "another" })).await.expect(200);
    let problem = stale.post(&path, &ask(1)).await.problem(403, "not_admitted");
    assert_eq!(problem["reason"], "digest", "{problem}");
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn policy_is_asked_anew_for_every_call() {
    let (gate, upstream, admin, agent) = scene().await;
    let path = registered(&admin, &tool("orders", &upstream.url("/x"), &json!({}))).await;
    let bearer = holder(&gate, &vended(&agent, &path, &json!({})).await["token"]);
    let ask = json!({ "arguments": {} });
    bearer.post(&path, &ask).await.expect(200);
    let off = path.replace("/invoke", "/deactivate");
    admin.act(&off).await.expect(200);
    let problem = bearer.post(&path, &ask).await;
    assert!([403, 404].contains(&problem.status.as_u16()), "{}", problem.text);
    for bad in ["", "Eo8", "not-a-credential", "gwk_nothing", "a.b.c"] {
        let request = gate.anyone().request(Method::POST, &path).bearer_auth(bad).json(&ask);
        send(request).await.problem(401, "unauthenticated");
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn in_somebody_elses_name_it_stays_so() {
    let (gate, upstream, admin, agent) = scene().await;
    let translate = json!({ "tags": ["translation"], "scopes": ["call"] });
    let path = registered(&admin, &tool("orders", &upstream.url("/x"), &translate)).await;
    let uma = gate.user_with_factor("uma", "user").await;
    let given = format!("/api/v1/users/{}/mandates", uma.id().await);
    let scopes = ["agent:calc", "call"];
    let mandate = crate::harness::samples::mandate("lingua", "translation", &scopes);
    let mandate = uma.post(&given, &mandate).await.expect(201);
    let ask = json!({ "on_behalf_of": uma.id().await });
    let bearer = holder(&gate, &vended(&agent, &path, &ask).await["token"]);
    let answer = bearer.post(&path, &json!({ "arguments": {} })).await.expect(200);
    let decision = answer["decision_id"].as_str().unwrap();
    let found = admin.get(&format!("/api/v1/audit-events?decision_id={decision}")).await;
    let entry = &found.expect(200)["items"][0]["entry"];
    assert_eq!(entry["details"]["on_behalf_of"].as_str(), Some(&*uma.id().await), "{entry}");
    let mandate = format!("/api/v1/mandates/{}", mandate["id"].as_str().unwrap());
    uma.delete(&mandate).await.expect(204);
    bearer.post(&path, &json!({ "arguments": {} })).await.problem(401, "unauthenticated");
}
