//! Credentials that policies bind to the past: wherever one is shown, it is held against the past of
//! whoever asked for it.

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
