//! The AuthZEN access-request profile: a second door to the same flow.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Scene, decide, path, with};
use crate::harness::{Answer, Caller, samples, send};

const REQUESTS: &str = "/access/v1/requests";

/// A refusal in the profile's words.
#[track_caller]
fn assert_fault(answer: &Answer, status: u16, code: &str) {
    let problem = answer.expect(status);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(problem["type"], format!("urn:openid:authzen:access-request:error:{code}"));
}

fn submission(it: &Scene, refusal: &Value) -> Value {
    let (agent, tool) = (it.asks["client_id"].as_str(), it.tool["id"].as_str());
    samples::access_request(agent.unwrap(), tool.unwrap(), refusal.as_str().unwrap())
}

async fn keyed(by: &Caller, key: &str, body: &Value) -> Answer {
    send(by.request(Method::POST, REQUESTS).json(body).header("idempotency-key", key)).await
}

#[tokio::test]
async fn access_that_was_refused_is_requested_approved_and_used() {
    let it = Scene::new().await;
    let waiting = it.call(&json!({ "arguments": {} })).await.expect(202);
    let body = submission(&it, &waiting["decision_id"]);
    let answer = it.agent.post(REQUESTS, &body).await;
    let task = answer.expect(202)["task"].clone();
    assert_eq!(task["id"], waiting["approval"]["id"], "one flow behind both doors");
    assert_eq!(task["status"], "pending");
    let endpoint = task["status_endpoint"].as_str().unwrap();
    assert_eq!(answer.headers["location"], endpoint);
    let status = endpoint.strip_prefix(&it.gate.url).unwrap().to_owned();
    assert_eq!(it.agent.get(&status).await.expect(200)["task"], task);

    let approval = json!({ "id": task["id"] });
    decide(&it.erin, &approval, "approve").await.expect(200);
    let done = it.agent.get(&status).await.expect(200);
    assert_eq!(done["task"]["status"], "approved");
    assert_eq!(done["result"]["mode"], "reevaluate");
    assert_eq!(done["result"]["approval"]["id"], task["id"]);
    assert!(done["result"]["approval"]["approved_until"].is_string());
    // Approved already: there is nothing to wait for.
    assert_eq!(it.agent.post(REQUESTS, &body).await.expect(201)["result"]["mode"], "reevaluate");
    it.call(&with(&approval, &json!({}))).await.expect(200);
    assert_eq!(it.agent.get(&status).await.expect(200)["task"]["status"], "approved");
    assert_eq!(it.upstream.calls(), 1);
}

#[tokio::test]
async fn only_one_s_own_refusal_of_exactly_this_can_be_requested() {
    let it = Scene::new().await;
    let waiting = it.call(&json!({ "arguments": { "amount": 1 } })).await.expect(202);
    let mut good = submission(&it, &waiting["decision_id"]);
    good["context"]["arguments"] = json!({ "amount": 1 });
    let alter = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let unbound = "invalid_denial_binding";
    for body in [
        alter("/context/arguments", json!({ "amount": 2 })),
        alter("/context", json!({})),
        alter("/denial/evaluation_id", json!("019aa111-0000-7000-8000-000000000000")),
        alter("/subject/id", json!("somebody else")),
        alter("/action/name", json!("request_credential")),
        alter("/resource/id", json!("019aa111-0000-7000-8000-000000000000")),
    ] {
        assert_fault(&it.agent.post(REQUESTS, &body).await, 400, unbound);
    }
    let (_, other) = it.gate.agent("poly", "translator").await;
    assert_fault(&other.post(REQUESTS, &good).await, 400, unbound);
    let problem = it.agent.post(REQUESTS, &alter("/resource/type", json!("document"))).await;
    assert_eq!(problem.problem(422, "invalid")["errors"][0]["pointer"], "/resource/type");

    // A refusal that no person can lift is not requestable.
    let (asks, plain) = it.gate.agent("plain", "agent").await;
    let invoke = format!("{}/invoke", it.tool_path());
    let refused = plain.post(&invoke, &json!({ "arguments": {} })).await.problem(403, "denied");
    let body = samples::access_request(
        asks["client_id"].as_str().unwrap(),
        it.tool["id"].as_str().unwrap(),
        refused["decision_id"].as_str().unwrap(),
    );
    assert_fault(&plain.post(REQUESTS, &body).await, 400, "not_requestable");
    // What is not known at an extension point is passed over.
    let mut extended = good.clone();
    extended["client"] = json!({ "id": "pep", "actor": { "id": "x" } });
    extended["requested_access"] = json!({ "emergency": true });
    it.agent.post(REQUESTS, &extended).await.expect(202);
}

#[tokio::test]
async fn a_key_stands_for_one_request_and_a_task_can_be_taken_back() {
    let it = Scene::new().await;
    let waiting = it.call(&json!({ "arguments": {} })).await.expect(202);
    let body = submission(&it, &waiting["decision_id"]);
    let first = keyed(&it.agent, "k1", &body).await.expect(202);
    assert_eq!(keyed(&it.agent, "k1", &body).await.expect(202), first);
    let mut other = body.clone();
    other["context"]["business_justification"] = json!("it is urgent");
    assert_fault(&keyed(&it.agent, "k1", &other).await, 409, "duplicate_request");
    keyed(&it.agent, "k2", &other).await.expect(202);

    let task = format!("{REQUESTS}/{}", first["task"]["id"].as_str().unwrap());
    let cancel = first["task"]["links"]["cancel"].as_str().unwrap();
    let cancel = cancel.strip_prefix(&it.gate.url).unwrap();
    let (_, poly) = it.gate.agent("poly", "translator").await;
    assert_fault(&poly.get(&task).await, 404, "unknown_task");
    assert_fault(&poly.act(cancel).await, 404, "unknown_task");
    let why = json!({ "reason": "obsolete", "comment": "found another way" });
    let cancelled = it.agent.post(cancel, &why).await.expect(200);
    assert_eq!(cancelled["task"]["status"], "cancelled");
    assert_fault(&it.agent.act(cancel).await, 409, "invalid_task_state");
    let shown = it.agent.get(&path(&json!({ "id": first["task"]["id"] }))).await.expect(200);
    assert_eq!(shown["reason"], "found another way");
    for unknown in ["019aa111-0000-7000-8000-000000000000", "nonsense"] {
        assert_fault(&it.agent.get(&format!("{REQUESTS}/{unknown}")).await, 404, "unknown_task");
    }
}
