//! Credentials that policies bind to the past: wherever one is shown, it is held against the past of
//! whoever asked for it.

use futures_util::future::join_all;
use gatewright::store;
use serde_json::{Value, json};

use super::{Scene, call, limited, refused};
use crate::harness::{Caller, PASSWORD};

const REASON: &str = "history.limit";

/// A credential for the tool that this path calls.
async fn vended(by: &Caller, path: &str) -> Value {
    let path = path.replace("/invoke", "/access");
    by.post(&path, &json!({ "scopes": ["call"] })).await.expect(201)["credential"]["token"].clone()
}

/// What a tool is told that was shown the credential for such a call.
async fn asked(scene: &Scene, token: &Value, arguments: Value) -> Value {
    let ask = json!({ "token": token, "tool": "read", "scope": "call", "arguments": arguments });
    scene.admin.post("/api/v1/credentials/validate", &ask).await.expect(200)
}

async fn is_valid(scene: &Scene, token: &Value, arguments: Value) -> bool {
    let answer = asked(scene, token, arguments).await;
    assert!(answer["valid"] == true || answer["reason"] == "denied", "{answer}");
    answer["valid"] == true
}

#[tokio::test]
async fn a_credential_within_the_limit_on_credentials_is_good() {
    let declaration = "[history.vended]\naction = \"request_credential\"\nwithin = \"1h\"\n";
    let rule = "@id(\"history.limit\") @title(\"No more of these\") forbid (principal, action == \
        Gatewright::Action::\"request_credential\", resource) when { context.history.vended > 2 };";
    let scene = Scene::new(&(declaration.to_owned(), rule.to_owned())).await;
    let path = scene.tool("read", "counted", "/read").await;
    let (_, agent) = scene.gate().agent("robot", "agent").await;
    let credentials = [vended(&agent, &path).await, vended(&agent, &path).await];
    let third = path.replace("/invoke", "/access");
    refused(&agent.post(&third, &json!({ "scopes": ["call"] })).await, REASON);
    for token in credentials.iter().chain(&credentials) {
        assert!(is_valid(&scene, token, json!({})).await);
    }
}

/// At most two different ones in a session.
fn two_in_a_session() -> (String, String) {
    let (declaration, rule) =
        limited("count = \"distinct\"\nof = \"/id\"", "context.history.counted > 2");
    (declaration.replace("\"everybody\"\nwithin = \"1h\"", "\"session\""), rule)
}

async fn opens_no_other_session(scene: &Scene, path: &str, by: &Caller) {
    let see = async |by: &Caller, id: &str| call(by, path, json!({ "id": id })).await;
    for id in ["anna", "bert"] {
        see(by, id).await.expect(200);
    }
    refused(&see(by, "carl").await, REASON);
    let token = vended(by, path).await;
    let holder = Caller::new(&scene.gate().url, token.as_str());
    see(&holder, "anna").await.expect(200);
    refused(&see(&holder, "carl").await, REASON);
    assert!(is_valid(scene, &token, json!({ "id": "bert" })).await);
    assert!(!is_valid(scene, &token, json!({ "id": "carl" })).await);
}

#[tokio::test]
async fn a_credential_opens_no_other_session_than_that_of_whoever_asked_for_it() {
    let scene = Scene::new(&two_in_a_session()).await;
    let path = scene.tool("read", "counted", "/read").await;
    let (_, agent) = scene.gate().agent("robot", "agent").await;
    opens_no_other_session(&scene, &path, &agent).await;
    // A key is a session of its own, together with all credentials that it asks for.
    let (other, _) = scene.gate().agent("other", "agent").await;
    let key = json!({ "name": "ci", "principal": other["client_id"], "scopes": ["agent:calc"] });
    let admin = scene.admin.elevated(PASSWORD).await;
    let key = admin.post("/api/v1/api-keys", &key).await.expect(201);
    let keyed = Caller::new(&scene.gate().url, key["key"].as_str());
    opens_no_other_session(&scene, &path, &keyed).await;
}

#[tokio::test]
async fn a_use_that_a_tool_asks_about_counts_like_a_call() {
    let rules = limited("count = \"distinct\"\nof = \"/id\"", "context.history.counted > 2");
    let scene = Scene::new(&rules).await;
    let path = scene.tool("read", "counted", "/read").await;
    let (_, agent) = scene.gate().agent("robot", "agent").await;
    let token = vended(&agent, &path).await;
    // Who lacks what is counted has no place in any count.
    for arguments in [Value::Null, json!({}), json!({ "id": null })] {
        let answer = asked(&scene, &token, arguments).await;
        assert_eq!((&answer["valid"], &answer["reason"]), (&json!(false), &json!("argument")));
        assert!(answer["detail"].as_str().unwrap().contains("`/arguments/id`"), "{answer}");
    }
    let ids = ["anna", "bert", "carl", "dora", "emil"].map(|it| json!({ "id": it }));
    let valid = join_all(ids.iter().map(|it| is_valid(&scene, &token, it.clone()))).await;
    assert_eq!(valid.iter().filter(|it| **it).count(), 2, "{valid:?}");
    // Those who are known are known, whoever asks again, and the others are too many.
    for (id, was_valid) in ids.into_iter().zip(valid) {
        assert_eq!(is_valid(&scene, &token, id.clone()).await, was_valid, "{id}");
        match (was_valid, call(&agent, &path, id).await) {
            (true, answer) => drop(answer.expect(200)),
            (false, answer) => refused(&answer, REASON),
        }
    }
}

#[tokio::test]
async fn calls_and_uses_take_from_one_limit_and_every_yes_takes_from_it() {
    let rules = limited(
        "count = \"sum\"\nof = \"/amount\"",
        "context.history.counted.greaterThan(decimal(\"10.0\"))",
    );
    let scene = Scene::new(&rules).await;
    let path = scene.tool("read", "counted", "/read").await;
    let (_, agent) = scene.gate().agent("robot", "agent").await;
    let token = vended(&agent, &path).await;
    call(&agent, &path, json!({ "amount": 2 })).await.expect(200);
    for (amount, expected) in [(9, false), (4, true), (4, true), (4, false), (0, true)] {
        assert_eq!(is_valid(&scene, &token, json!({ "amount": amount })).await, expected);
    }
    refused(&call(&agent, &path, json!({ "amount": 0.0001 })).await, REASON);
    let found = scene.admin.get("/api/v1/audit-events?action=credential.validate").await;
    let items = found.expect(200)["items"].clone();
    let of_uses = items.as_array().unwrap().iter().map(|it| &it["entry"]["details"]);
    let told: Vec<_> =
        of_uses.map(|it| (&it["verified"], &it["history"]["counted"])).rev().collect();
    let expected = [
        ("invalid", "11.0000"),
        ("valid", "6.0000"),
        ("valid", "10.0000"),
        ("invalid", "14.0000"),
        ("valid", "10.0000"),
    ];
    let expected = expected.map(|(verified, counted)| (json!(verified), json!(counted)));
    assert_eq!(told, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
}

#[tokio::test]
async fn how_a_use_ended_that_a_tool_asked_about_nobody_knows() {
    let (mut declaration, mut rules) = limited("", "context.history.counted > 9");
    declaration += "[history.passed]\naction = \"invoke\"\ntool = \"read\"\noutcome = \"success\"\n\
        within = \"1h\"\n";
    rules += "@id(\"history.first\") @title(\"Read first\") forbid (principal, action in \
        Gatewright::Action::\"call\", resource in Gatewright::ToolSet::\"deployment\") unless { \
        context.history.passed >= 1 };";
    let scene = Scene::new(&(declaration, rules)).await;
    let path = scene.tool("read", "counted", "/read").await;
    let deploy = scene.tool("deploy", "deployment", "/deploy").await;
    let (_, agent) = scene.gate().agent("robot", "agent").await;
    let token = vended(&agent, &path).await;
    assert!(is_valid(&scene, &token, json!({})).await);
    refused(&call(&agent, &deploy, json!({})).await, "history.first");
    call(&agent, &path, json!({})).await.expect(200);
    call(&agent, &deploy, json!({})).await.expect(200);
}

#[tokio::test]
async fn a_credential_that_policies_do_not_bind_to_the_past_leaves_nothing_in_it() {
    let scene = Scene::new(&limited("", "context.history.counted > 2")).await;
    let path = scene.tool("read", "free", "/read").await;
    let (_, agent) = scene.gate().agent("robot", "agent").await;
    let token = vended(&agent, &path).await;
    assert!(is_valid(&scene, &token, json!({})).await);
    let db = store::open(&scene.gate().setting("database.url").parse().unwrap()).unwrap();
    let turns = db.query("SELECT turn FROM history_turn", vec![]).await.unwrap();
    assert_eq!(turns[0].int(0).unwrap(), 0);
}
