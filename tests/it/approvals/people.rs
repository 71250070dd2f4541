//! Who decides, and who does not.

use reqwest::{Method, header};
use serde_json::{Value, json};

use super::{Scene, decide, path, registered, with};
use crate::harness::{Caller, samples, send};

/// Why somebody may not decide.
async fn refused(by: &Caller, approval: &Value) -> Value {
    let problem = decide(by, approval, "approve").await.problem(403, "denied");
    let denied = decide(by, approval, "deny").await.problem(403, "denied");
    assert_eq!(problem["reasons"], denied["reasons"]);
    problem["reasons"].clone()
}

#[tokio::test]
async fn nobody_decides_for_their_own_agent() {
    let it = Scene::new().await;
    let owned = json!({ "name": "own", "role": "translator", "owner": it.erin.id().await });
    let owned = it.admin.post("/api/v1/register/machine", &owned).await.expect(201);
    let agent = it.gate.machine(&owned).await;
    let invoke = format!("{}/invoke", it.tool_path());
    let asked = agent.post(&invoke, &json!({ "arguments": {} })).await.expect(202);
    let asked = &asked["approval"];
    it.erin.get(&path(asked)).await.expect(200);
    assert_eq!(refused(&it.erin, asked).await, json!(["approval.four-eyes"]));
    // The administrator owns the tool, and is no party here, but has proven no second factor.
    assert_eq!(refused(&it.admin, asked).await, json!(["approval.fresh-mfa"]));
    // Nor do agents decide, whoever's they are.
    for agent in [&agent, &it.agent] {
        let answer = decide(agent, asked, "approve").await;
        assert!([403, 404].contains(&answer.status.as_u16()), "{}", answer.text);
    }
    let frank = registered(&it.gate, "frank", "approver").await;
    decide(&frank, asked, "approve").await.expect(200);
    agent.post(&invoke, &with(asked, &json!({}))).await.expect(200);
}

#[tokio::test]
async fn whoever_is_acted_for_does_not_decide() {
    let it = Scene::new().await;
    let uma = registered(&it.gate, "uma", "user").await;
    let id = uma.id().await;
    // The first call of a medium-risk tool, which people of role user may use through an agent.
    let mut medium = samples::risky("letter", &it.upstream.url("/letter"));
    medium["risk_level"] = json!("medium");
    medium["scopes"] = json!(["agent:translate"]);
    let tool = it.admin.post("/api/v1/tools", &medium).await.expect(201);
    let invoke = format!("/api/v1/tools/{}/invoke", tool["id"].as_str().unwrap());
    let mandate = samples::mandate("lingua", "translation", &["agent:translate"]);
    uma.post(&format!("/api/v1/users/{id}/mandates"), &mandate).await.expect(201);
    let ask = json!({ "arguments": {}, "on_behalf_of": id });
    let asked = it.agent.post(&invoke, &ask).await.expect(202)["approval"].clone();
    assert_eq!(asked["on_behalf_of"], json!(id));

    // She sees what is asked in her name, and may not say yes to it even as an approver.
    uma.get(&path(&asked)).await.expect(200);
    assert_eq!(refused(&uma, &asked).await, json!(["approval.four-eyes"]));
    // Asked in its own name it is another request.
    let own = it.agent.post(&invoke, &json!({ "arguments": {} })).await.expect(202);
    assert_ne!(own["approval"]["id"], asked["id"]);

    decide(&it.erin, &asked, "approve").await.expect(200);
    let in_own_name = with(&asked, &json!({}));
    it.agent.post(&invoke, &in_own_name).await.problem(409, "conflict");
    let mut body = in_own_name;
    body["on_behalf_of"] = json!(id);
    it.agent.post(&invoke, &body).await.expect(200);
    assert_eq!(it.upstream.calls(), 1);
}

#[tokio::test]
async fn a_yes_takes_a_second_factor_proven_just_now_and_is_given_once() {
    let it = Scene::new().await;
    let asked = it.ask(&json!({ "amount": 1 })).await;
    let elevated = it.gate.elevated(&it.erin, "erin").await;
    let key = json!({ "name": "script", "scopes": [] });
    let key = elevated.post("/api/v1/api-keys", &key).await.expect(201);
    let script = Caller::new(&it.gate.url, key["key"].as_str());
    let problem = decide(&script, &asked, "approve").await.problem(403, "denied");
    assert_eq!(problem["reasons"], json!(["approval.fresh-mfa"]));
    assert_eq!(problem["fix"][0]["kind"], "mfa", "{problem}");

    let stranger = registered(&it.gate, "gus", "user").await;
    decide(&stranger, &asked, "approve").await.problem(404, "not_found");
    it.gate
        .anyone()
        .act(&format!("{}/approve", path(&asked)))
        .await
        .problem(401, "unauthenticated");

    let shown = it.erin.get(&path(&asked)).await;
    let tag = shown.headers[header::ETAG].to_str().unwrap().to_owned();
    let approve = |tag: &str| {
        let request = it.erin.request(Method::POST, &format!("{}/approve", path(&asked)));
        send(request.header(header::IF_MATCH, tag))
    };
    approve("\"7\"").await.problem(412, "precondition_failed");
    approve(&tag).await.expect(200);
    let frank = registered(&it.gate, "frank", "approver").await;
    for by in [&it.erin, &frank] {
        decide(by, &asked, "approve").await.problem(409, "conflict");
        decide(by, &asked, "deny").await.problem(409, "conflict");
    }
    assert_eq!(it.state_of(&asked).await, "approved");
}

#[tokio::test]
async fn of_many_who_decide_at_once_one_does() {
    let it = Scene::new().await;
    let asked = it.ask(&json!({ "amount": 1 })).await;
    let verbs = ["approve", "deny"];
    let decisions = (0..12).map(|n| decide(&it.erin, &asked, verbs[n % 2]));
    let answers = futures_util::future::join_all(decisions).await;
    assert_eq!(answers.iter().filter(|it| it.status == 200).count(), 1);
    assert!(answers.iter().all(|it| [200, 409].contains(&it.status.as_u16())));
}

#[tokio::test]
async fn whoever_made_the_key_that_it_was_asked_with_does_not_decide() {
    let it = Scene::new().await;
    let roles = format!("/api/v1/users/{}/roles/admin", it.erin.id().await);
    let carol = registered(&it.gate, "carol", "policy_admin").await;
    carol.put(&roles).await.expect(200);
    let erin = it.gate.sign_in("erin", crate::harness::server::WORDS).await;
    let elevated = it.gate.elevated(&erin, "erin").await;
    let scopes = ["agent:translate"];
    let key = json!({ "name": "k", "principal": it.asks["client_id"], "scopes": scopes });
    let key = elevated.post("/api/v1/api-keys", &key).await.expect(201);
    let by_key = Caller::new(&it.gate.url, key["key"].as_str());
    let invoke = format!("{}/invoke", it.tool_path());
    let asked = by_key.post(&invoke, &json!({ "arguments": {} })).await.expect(202);
    assert_eq!(refused(&elevated, &asked["approval"]).await, json!(["approval.four-eyes"]));

    // Nor where the agent asked by itself: the key could use the yes.
    let own = it.ask(&json!({ "n": 1 })).await;
    assert_eq!(refused(&elevated, &own).await, json!(["approval.four-eyes"]));

    // Nor where a credential is shown that was asked for with the key.
    let mut letter = samples::risky("letter", &it.upstream.url("/letter"));
    (letter["risk_level"], letter["scopes"]) = (json!("medium"), json!(["read"]));
    let letter = it.admin.post("/api/v1/tools", &letter).await.expect(201);
    let letter = format!("/api/v1/tools/{}", letter["id"].as_str().unwrap());
    let ask = json!({ "scopes": ["read"] });
    let vended = by_key.post(&format!("{letter}/access"), &ask).await.expect(201);
    let bearer = Caller::new(&it.gate.url, vended["credential"]["token"].as_str());
    let invoke = format!("{letter}/invoke");
    let asked = bearer.post(&invoke, &json!({ "arguments": {} })).await.expect(202);
    assert_eq!(refused(&elevated, &asked["approval"]).await, json!(["approval.four-eyes"]));
}

#[tokio::test]
async fn whoever_asked_takes_it_back() {
    let it = Scene::new().await;
    let (first, second) = (it.ask(&json!({ "n": 1 })).await, it.ask(&json!({ "n": 2 })).await);
    let (_, other) = it.gate.agent("poly", "translator").await;
    decide(&other, &first, "cancel").await.problem(404, "not_found");
    decide(&it.erin, &first, "cancel").await.problem(403, "denied");
    assert_eq!(decide(&it.agent, &first, "cancel").await.expect(200)["state"], "cancelled");
    // The owner of the agent does, too.
    assert_eq!(decide(&it.admin, &second, "cancel").await.expect(200)["state"], "cancelled");
    for approval in [&first, &second] {
        decide(&it.erin, approval, "approve").await.problem(409, "conflict");
        decide(&it.agent, approval, "cancel").await.problem(409, "conflict");
    }
}
