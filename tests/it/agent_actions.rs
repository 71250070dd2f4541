//! Several tools called at once, each call decided on by itself.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Caller, Gate, Setup, Upstream, send};

const EXECUTE: &str = "/api/v1/agent/execute";

fn tool(name: &str, endpoint: &str, needs: &str, more: &Value) -> Value {
    let mut tool = json!({
        "tool_type": "http", "name": name, "endpoint": endpoint, "description": "A tool",
        "scopes": ["call"], "required_scopes": [needs],
        "input_schema": { "type": "object" },
    });
    tool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    tool
}

async fn register(admin: &Caller, tool: &Value) -> Value {
    admin.post("/api/v1/tools", tool).await.expect(201)
}

/// A server whose actions are HTTP tools, but for those that are not there.
async fn scene() -> (Gate, Upstream, Caller, Caller) {
    let setup = Setup::new()
        .with("probe.allow_private_networks", "true")
        .with("actions.calculator", "reckon")
        .with("actions.external_db", "orders")
        .with("actions.sandbox_python", "python");
    let (gate, upstream) = (setup.start(), Upstream::open().await);
    let admin = gate.admin().await;
    let at = |path: &str| upstream.url(path);
    let none = json!({});
    register(&admin, &tool("reckon", &at("/reckon"), "agent:calc", &none)).await;
    register(&admin, &tool("orders", &at("/orders"), "agent:db_read", &none)).await;
    register(&admin, &tool("web_search", &at("/status/500"), "agent:web_search", &none)).await;
    let consequential = json!({ "consequential": true, "risk_level": "high" });
    register(&admin, &tool("python", &at("/python"), "agent:code_exec", &consequential)).await;
    register(&admin, &tool("inventory_lookup", &at("/inventory"), "agent:calc", &none)).await;
    let (_, agent) = gate.agent("robot", "agent").await;
    (gate, upstream, admin, agent)
}

#[tokio::test]
async fn each_action_is_decided_by_itself_and_none_fails_with_another() {
    let (_gate, upstream, admin, agent) = scene().await;
    let ask = json!({
        "web_query": "latest AI news",
        "calculator_expression": "2 ** 10",
        "db_keyword": "security",
        "prompt": "Explain PKCE in one sentence",
        "python_code": "print(1+1)",
        "custom_actions": { "inventory_lookup": { "sku": "ABC-123" }, "nowhere": {} },
    });
    let said = agent.post(EXECUTE, &ask).await.expect(200);
    assert_eq!(
        (&said["actor"]["kind"], &said["actor"]["name"]),
        (&json!("agent"), &json!("robot"))
    );
    let actions = said["actions"].as_object().unwrap();
    let outcomes: Vec<_> =
        actions.iter().map(|(name, it)| (name.as_str(), it["status"].as_str().unwrap())).collect();
    assert_eq!(
        outcomes,
        [
            ("calculator", "success"),
            ("external_db", "success"),
            ("inventory_lookup", "success"),
            ("llm", "denied"),
            ("nowhere", "denied"),
            ("sandbox_python", "denied"),
            ("web_search", "failed"),
        ]
    );
    let heard = |name: &str| actions[name]["result"]["body"]["body"].clone();
    assert_eq!(heard("calculator"), r#"{"expression":"2 ** 10"}"#);
    assert_eq!(heard("external_db"), r#"{"query":"security"}"#);
    assert_eq!(heard("inventory_lookup"), r#"{"sku":"ABC-123"}"#);
    let problem =
        |name: &str| (&actions[name]["problem"]["code"], &actions[name]["problem"]["status"]);
    assert_eq!(problem("web_search"), (&json!("upstream_refused"), &json!(502)));
    assert_eq!(problem("nowhere"), (&json!("not_found"), &json!(404)));
    assert_eq!(problem("sandbox_python"), (&json!("denied"), &json!(403)), "{said}");
    assert_eq!(upstream.calls(), 4);

    // Each has a decision of its own, and the audit has them all.
    let mut decisions: Vec<&str> = ["calculator", "external_db", "inventory_lookup"]
        .iter()
        .map(|it| actions[*it]["decision_id"].as_str().unwrap())
        .collect();
    decisions.push(actions["sandbox_python"]["problem"]["decision_id"].as_str().unwrap());
    for decision in &decisions {
        let found = admin.get(&format!("/api/v1/audit-events?decision_id={decision}")).await;
        let entry = found.expect(200)["items"][0]["entry"].clone();
        assert_eq!(entry["event"], "tool.invoke", "{entry}");
    }
    decisions.sort_unstable();
    decisions.dedup();
    assert_eq!(decisions.len(), 4);
}

#[tokio::test]
async fn a_person_confirms_and_a_key_keeps_each_call_from_being_made_twice() {
    let (_gate, upstream, admin, _) = scene().await;
    let pay = json!({ "consequential": true, "required_scopes": [] });
    register(&admin, &tool("pay", &upstream.url("/pay"), "agent:calc", &pay)).await;
    register(&admin, &tool("note", &upstream.url("/note"), "x", &json!({ "required_scopes": [] })))
        .await;
    let mut ask = json!({ "custom_actions": { "pay": { "amount": 1 }, "note": {} } });
    let said = admin.post(EXECUTE, &ask).await.expect(200);
    assert_eq!(said["actions"]["pay"]["status"], "denied");
    assert_eq!(said["actions"]["pay"]["problem"]["fix"][0]["kind"], "confirm", "{said}");
    assert_eq!(said["actions"]["note"]["status"], "success");
    assert_eq!(upstream.calls(), 1);

    ask["confirm_consequential"] = true.into();
    let keyed = || {
        let request = admin.request(Method::POST, EXECUTE).header("idempotency-key", "once");
        send(request.json(&ask))
    };
    let first = keyed().await.expect(200);
    assert_eq!(first["actions"]["pay"]["status"], "success", "{first}");
    assert_eq!(keyed().await.expect(200)["actions"], first["actions"]);
    assert_eq!(upstream.calls(), 3, "both once more, and not twice");
}

#[tokio::test]
async fn what_cannot_be_read_calls_nothing() {
    let (gate, upstream, _, agent) = scene().await;
    for (ask, pointer) in [
        (json!({}), ""),
        (json!({ "confirm_consequential": true }), ""),
        (json!({ "calculator_expression": 7 }), "/calculator_expression"),
        (json!({ "calculator": "1" }), "/calculator"),
        (json!({ "custom_actions": { "reckon": "1" } }), "/custom_actions/reckon"),
        (
            json!({ "web_query": "x", "custom_actions": { "web_search": {} } }),
            "/custom_actions/web_search",
        ),
    ] {
        let problem = agent.post(EXECUTE, &ask).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let many: serde_json::Map<String, Value> =
        (0..33).map(|it| (format!("t{it}"), json!({}))).collect();
    agent.post(EXECUTE, &json!({ "custom_actions": many })).await.problem(422, "invalid");
    gate.anyone().post(EXECUTE, &json!({ "prompt": "x" })).await.problem(401, "unauthenticated");
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn the_actions_are_listed_as_far_as_the_caller_may_know_of_them() {
    let (gate, _, admin, agent) = scene().await;
    let list = async |caller: &Caller| {
        let said = caller.get("/api/v1/agent/actions").await.expect(200);
        let items = said["items"].as_array().unwrap().clone();
        items
            .into_iter()
            .map(|it| (it["name"].as_str().unwrap().to_owned(), it["may_use"].as_bool().unwrap()))
            .collect::<Vec<_>>()
    };
    let named = |all: &[(&str, bool)]| -> Vec<(String, bool)> {
        all.iter().map(|(name, may)| ((*name).to_owned(), *may)).collect()
    };
    // Running code takes an approval, and there is no tool `llm`.
    let of_agent = list(&agent).await;
    let usable = [("web_search", true), ("calculator", true), ("external_db", true)];
    assert_eq!(of_agent[..3], named(&usable));
    assert!(!of_agent.contains(&("sandbox_python".into(), true)), "{of_agent:?}");
    let of_admin = list(&admin).await;
    assert_eq!(of_admin.len(), 4, "{of_admin:?}");
    let (_, translator) = gate.agent("lingua", "translator").await;
    assert!(list(&translator).await.iter().all(|(_, may)| !may));

    let said = agent.get("/api/v1/agent/actions").await.expect(200);
    let calculator = &said["items"][1];
    assert_eq!(calculator["field"], "calculator_expression");
    assert_eq!(
        (&calculator["tool_name"], &calculator["consequential"]),
        (&json!("reckon"), &json!(false))
    );
    assert_eq!(calculator["required_scopes"], json!(["agent:calc"]));
}
