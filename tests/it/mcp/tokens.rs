//! Whose tokens are good here, and where a client without one is sent.

use serde_json::json;

use super::{Mcp, Scene, message, token_for_mcp, token_of_person};
use crate::harness::client::Client;
use crate::harness::{Caller, Gate, PASSWORD, send};

#[tokio::test]
async fn a_token_is_good_at_the_door_that_it_was_given_for() {
    let gate = Gate::start();
    let (agent, for_api) = gate.agent("lingua", "agent").await;
    let for_mcp = token_for_mcp(&gate, &agent, None).await;
    Mcp::of(&for_mcp).list().await;
    for_api.get("/api/v1/auth/me").await.expect(200);

    // Both ways round, and again: what was found good for the one is not good for the other.
    for _ in 0..2 {
        let answer = send(Mcp::of(&for_api).request("tools/list", &json!({}))).await;
        answer.problem(401, "unauthenticated");
        for_mcp.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
        for_mcp.get("/api/v1/tools").await.problem(401, "unauthenticated");
    }
    // What is for neither stays so.
    let elevated = gate.admin().await.elevated(PASSWORD).await;
    let key = json!({ "name": "mine", "scopes": [] });
    let key = elevated.post("/api/v1/api-keys", &key).await.expect(201);
    let key = Caller::new(&gate.url, key["key"].as_str());
    Mcp::of(&key).list().await;
    key.get("/api/v1/auth/me").await.expect(200);

    let client = Client::confidential(&gate).await;
    for (resource, good) in [(format!("{}/mcp", gate.url), true), (gate.url.clone(), false)] {
        let person = token_of_person(&gate, &client, &resource, "read:public").await;
        let answer = send(Mcp::of(&person).request("tools/list", &json!({}))).await;
        assert_eq!(answer.status == 200, good, "{resource}: {}", answer.text);
        assert_eq!(person.get("/api/v1/auth/me").await.status == 200, !good, "{resource}");
    }
}

#[tokio::test]
async fn a_client_without_a_token_is_told_where_to_get_one() {
    let gate = Gate::start();
    let at = format!("{}/.well-known/oauth-protected-resource/mcp", gate.url);
    let metadata = gate.anyone().get("/.well-known/oauth-protected-resource/mcp").await.expect(200);
    assert_eq!(metadata["resource"], format!("{}/mcp", gate.url));
    assert_eq!(metadata["authorization_servers"], json!([gate.url]));
    for (caller, error) in [
        (gate.anyone(), ""),
        (Caller::new(&gate.url, Some("x.y.z")), ", error=\"invalid_token\""),
        (gate.admin().await, ", error=\"invalid_token\""),
    ] {
        let answer = send(Mcp::of(&caller).raw(&message(Some(1), "ping", &json!({})))).await;
        answer.problem(401, "unauthenticated");
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        let expected = format!("Bearer realm=\"gatewright\"{error}, resource_metadata=\"{at}\"");
        assert_eq!(challenge, expected);
    }
}

#[tokio::test]
async fn who_is_suspended_sees_and_calls_nothing() {
    let scene = Scene::open().await;
    scene.add("orders", "/", &json!({})).await;
    assert_eq!(scene.mcp.list().await["tools"].as_array().unwrap().len(), 1);
    let path = format!("/api/v1/agents/{}/suspend", scene.agent["client_id"].as_str().unwrap());
    scene.admin.act(&path).await.expect(200);
    let listed = send(scene.mcp.request("tools/list", &json!({}))).await;
    let params = json!({ "name": "orders", "arguments": {} });
    let called = send(scene.mcp.request("tools/call", &params)).await;
    for answer in [&listed, &called] {
        let nothing = match answer.status.as_u16() {
            401 => true,
            _ => {
                answer.json()["error"]["code"] == -32602
                    || answer.json()["result"]["tools"] == json!([])
            }
        };
        assert!(nothing, "{}", answer.text);
    }
    assert_eq!(scene.upstream.calls(), 0);
}
