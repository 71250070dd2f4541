//! What somebody learns who guards a tool, owns it, and may grant it to roles: whether those who come
//! may use it, and nothing of who is what.

use serde_json::{Value, json};

use crate::harness::{Caller, Gate, samples};

const EVALUATION: &str = "/access/v1/evaluation";
const SUBJECTS: &str = "/access/v1/search/subject";
const ACTIONS: &str = "/access/v1/search/action";

/// A publisher with a tool and a machine at its door, among users of several roles.
struct Scene {
    gate: Gate,
    publisher: Caller,
    edge: Caller,
}

impl Scene {
    async fn new() -> Scene {
        let gate = Gate::start();
        let publisher = gate.user("mallory", "tool_publisher").await;
        for (name, role) in [("uma", "user"), ("ada", "auditor"), ("max", "tool_publisher")] {
            gate.user(name, role).await;
        }
        let mut tool = samples::calculate("lure");
        tool["risk_level"] = "high".into();
        tool["required_scopes"] = json!([]);
        publisher.post("/api/v1/tools", &tool).await.expect(201);
        let (_, edge) = gate.agent_of(&publisher, "edge", "mcp_server").await;
        Scene { gate, publisher, edge }
    }

    /// Grants the tool to a role that governs, as only an admin may.
    async fn granted(self, role: &str) -> Scene {
        let mut grant = samples::grant(role, "Tool:lure");
        grant["template"] = "grant.agent-tool".into();
        self.gate.admin().await.post("/api/v1/grants", &grant).await.expect(201);
        self
    }
}

#[expect(clippy::needless_pass_by_value, reason = "tests write values in place")]
fn asked(user: &str, action: &str, more: Value) -> Value {
    let mut body = json!({
        "subject": { "type": "user", "id": user }, "action": { "name": action },
        "resource": { "type": "tool", "id": "lure" },
    });
    for (part, properties) in more.as_object().into_iter().flatten() {
        body[part]["properties"] = properties.clone();
    }
    body
}

#[tokio::test]
async fn a_grant_to_a_role_finds_nobody_who_is_in_it() {
    let it = Scene::new().await.granted("Role:auditor").await;
    let admin = it.gate.admin().await;
    let body = |kind: &str, properties: Value| {
        json!({
            "subject": { "type": kind }, "action": { "name": "request_credential" },
            "resource": { "type": "tool", "id": "lure", "properties": properties },
        })
    };
    // The grant works: who may see them finds them.
    let found = admin.post(SUBJECTS, &body("user", json!({}))).await.expect(200);
    assert!(found["results"].to_string().contains("ada"), "{found}");
    for by in [&it.edge, &it.publisher] {
        for kind in ["user", "agent", "identity"] {
            for properties in [json!({}), json!({ "risk": "low" }), json!({ "risk": "critical" })] {
                let page = by.post(SUBJECTS, &body(kind, properties)).await.expect(200);
                let own = page["results"].as_array().unwrap().iter();
                let mut strangers =
                    own.filter(|it| it["id"] != "edge" && it["id"] != "mallory").peekable();
                assert!(strangers.peek().is_none(), "{page}");
                assert_eq!(page["page"]["next_token"], "", "{page}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_only_supposed_of_a_subject_or_a_tool_tells_no_role() {
    let it = Scene::new().await;
    let suppositions = [
        json!({ "resource": { "risk": "low" } }),
        json!({ "resource": { "risk": "critical", "state": "quarantined" } }),
        json!({ "resource": { "tool_set": "translation" } }),
        json!({ "subject": { "role": [] } }),
        json!({ "subject": { "roles": ["user"], "group": "staff" } }),
    ];
    for user in ["uma", "ada", "max", "admin"] {
        let plain = it.edge.post(EVALUATION, &asked(user, "request_credential", json!({}))).await;
        let plain = plain.expect(200);
        for more in &suppositions {
            let body = asked(user, "request_credential", more.clone());
            let told = it.edge.post(EVALUATION, &body).await.expect(200);
            assert_eq!(told["decision"], plain["decision"], "{more}: {told}");
            let ignored = told["context"]["ignored"].as_array().unwrap();
            assert!(ignored.iter().all(|it| it.as_str().unwrap().contains("/properties/")));
            assert_eq!(
                ignored.len(),
                more["subject"]
                    .as_object()
                    .into_iter()
                    .chain(more["resource"].as_object())
                    .map(serde_json::Map::len)
                    .sum::<usize>()
            );
        }
        // How the request is made it may well say.
        let mut body = asked(user, "request_credential", json!({}));
        body["context"] = json!({ "ip": "10.0.0.1", "time": "2026-03-11T10:00:00Z" });
        let told = it.edge.post(EVALUATION, &body).await.expect(200);
        assert_eq!(told["context"]["ignored"], Value::Null, "{told}");
    }
}

#[tokio::test]
async fn an_answer_about_whoever_comes_does_not_say_by_which_role() {
    let it = Scene::new().await.granted("Role:auditor").await;
    let allowed = asked("ada", "request_credential", json!({}));
    let told = it.edge.post(EVALUATION, &allowed).await.expect(200);
    assert_eq!(told["decision"], true, "{told}");
    let told = told["context"].to_string();
    for word in ["grant", "Grant", "auditor", "policy\"", "title"] {
        assert!(!told.contains(word), "`{word}` is in {told}");
    }
    let admin = it.gate.admin().await;
    let told = admin.post(EVALUATION, &allowed).await.expect(200);
    assert!(told["context"]["policies"].to_string().contains("grant.agent-tool"), "{told}");

    // Who manages the tool is nothing that has to be known at its door.
    for user in ["admin", "uma"] {
        for action in ["update_tool", "quarantine_tool", "grant_tool", "delete_tool"] {
            let told = it.edge.post(EVALUATION, &asked(user, action, json!({}))).await.expect(200);
            assert_eq!(told["context"]["error"]["status"], 403, "{action}: {told}");
            assert_eq!(told["decision"], false);
        }
        let body = json!({
            "subject": { "type": "user", "id": user }, "resource": { "type": "tool", "id": "lure" },
        });
        let page = it.edge.post(ACTIONS, &body).await.expect(200);
        for found in page["results"].as_array().unwrap() {
            let name = found["name"].as_str().unwrap();
            assert!(["view_tool", "discover_tool", "request_credential"].contains(&name), "{page}");
        }
    }
    let mut batch = asked("admin", "update_tool", json!({}));
    batch["evaluations"] = json!([{}, { "action": { "name": "view_tool" } }]);
    let told = it.edge.post("/access/v1/evaluations", &batch).await.expect(200);
    assert_eq!(told["evaluations"][0]["context"]["error"]["status"], 403, "{told}");
    assert_eq!(told["evaluations"][1]["decision"], true, "{told}");
    assert_eq!(told["evaluations"][1]["context"]["policies"], Value::Null, "{told}");
}

/// A tool of its publisher's that would ask whatever a call of it says.
fn lens() -> Value {
    let properties: Value = ["action", "type", "id"]
        .iter()
        .map(|it| ((*it).to_owned(), json!({ "type": "string" })))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "tool_type": "http", "name": "lens", "endpoint": "https://lens.example/",
        "scopes": ["call"],
        "input_schema": {
            "type": "object", "properties": properties,
            "x-authzen-mapping": { "evaluation": {
                "subject": { "type": "identity", "id": "$token.sub" },
                "action": { "name": "$params.arguments.action" },
                "resource": { "type": "$params.arguments.type", "id": "$params.arguments.id" },
            } },
        },
    })
}

#[tokio::test]
async fn what_a_tool_would_ask_is_no_way_around_the_right_to_ask() {
    let it = Scene::new().await;
    it.publisher.post("/api/v1/tools", &lens()).await.expect(201);
    let admin = it.gate.admin().await;
    admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    let call = |user: &str, [action, kind, id]: [&str; 3]| {
        let arguments = json!({ "action": action, "type": kind, "id": id });
        json!({
            "subject": { "type": "user", "id": user }, "resource": { "type": "tool", "id": "lens" },
            "action": { "name": "tools/call", "properties": { "arguments": arguments } },
        })
    };
    // Both may call it.
    let users = ["uma", "admin"];
    let scope = ["hold_scope", "scope", "admin:all"];
    for question in [
        scope,
        ["publish_version", "tool", "lure"],
        ["publish_version", "tool", "nothing"],
        ["view_tool", "tool", "calc"],
        ["view_user", "user", "ada"],
        ["register_user", "registry", "registry"],
    ] {
        let mut answers = Vec::new();
        for user in users {
            let told = it.edge.post(EVALUATION, &call(user, question)).await.expect(200);
            answers.push(told);
        }
        assert_eq!(answers[0]["decision"], false, "{question:?}: {answers:?}");
        assert!(answers.iter().all(|it| *it == answers[0]), "{question:?}: {answers:?}");
    }
    let told = it.edge.post(EVALUATION, &call("admin", scope)).await.expect(200);
    assert_eq!(told["context"]["error"]["status"], 403, "{told}");
    let entry = admin.get("/api/v1/audit-events?action=access.query&page_size=1").await.expect(200);
    let mapped = json!([{
        "subject": { "type": "user", "id": "admin" }, "action": "hold_scope",
        "resource": { "type": "scope", "id": "admin:all" },
    }]);
    assert_eq!(entry["items"][0]["entry"]["details"]["mapped"], mapped, "{entry}");

    // What may be asked is answered: uses of tools of its owner's at the door, and to an admin all.
    for user in users {
        let used = call(user, ["view_tool", "tool", "lure"]);
        let told = it.edge.post(EVALUATION, &used).await.expect(200);
        assert_eq!(told["decision"], true, "{user}: {told}");
        let body = call(user, ["publish_version", "tool", "lure"]);
        let told = admin.post(EVALUATION, &body).await.expect(200);
        assert_eq!(told["context"]["error"], Value::Null, "{user}: {told}");
        let told = admin.post(EVALUATION, &call(user, scope)).await.expect(200);
        assert_eq!(told["decision"], user == "admin", "{user}: {told}");
    }
}
