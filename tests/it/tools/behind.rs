//! Tool servers behind the gateway: each call carries a credential of its own.

use serde_json::{Value, json};

use super::ToolServer;
use crate::harness::{Caller, Setup};

async fn register(admin: &Caller, name: &str, server: &ToolServer, needs: &str) -> Value {
    let tool = json!({
        "tool_type": "remote", "name": name, "server_url": format!("{}/mcp", server.url),
        "auth_method": "biscuit", "scopes": ["call"], "required_scopes": [needs],
    });
    admin.post("/api/v1/tools", &tool).await.expect(201)
}

#[tokio::test]
async fn the_actions_of_agents_go_to_servers_that_verify_for_themselves() {
    let gate = Setup::new().with("probe.allow_private_networks", "true").start();
    let (calculator, records) = (ToolServer::calculator(&gate), ToolServer::records(&gate));
    let strict = ToolServer::start(&gate, &["calculator", "--name", "strict", "--scope", "sign"]);
    let admin = gate.admin().await;
    let server = register(&admin, "calculator", &calculator, "agent:calc").await;
    register(&admin, "records", &records, "agent:db_read").await;
    register(&admin, "strict", &strict, "agent:calc").await;
    let (_, agent) = gate.agent("robot", "agent").await;

    let ask = json!({
        "calculator_expression": "1/3 + 1/6",
        "db_keyword": "ulysses",
        "custom_actions": {
            "strict__calculate": { "expression": "1" },
            "records__get": { "id": "b9" },
            "calculator__calculate": { "expresion": "1" },
        },
    });
    let said = agent.post("/api/v1/agent/execute", &ask).await.expect(200);
    let actions = &said["actions"];
    let of = |name: &str| &actions[name]["result"]["structuredContent"];
    assert_eq!(of("calculator")["result"], "0.5", "{said}");
    assert_eq!(of("external_db")["items"][0]["id"], "b3", "{said}");
    // A tool that says itself that it failed, one that takes no such credential, and arguments that
    // never leave.
    assert_eq!(actions["records__get"]["status"], "failed");
    let words = actions["records__get"]["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(words, "there is no record `b9`");
    let refused = &actions["strict__calculate"]["problem"];
    assert_eq!((&refused["status"], &refused["code"]), (&json!(502), &json!("upstream_refused")));
    assert_eq!(actions["calculator__calculate"]["problem"]["code"], "invalid", "{said}");

    // A server of one tool stands for that tool, and nobody but who may uses it.
    let path = format!("/api/v1/tools/{}/invoke", server["id"].as_str().unwrap());
    let ask = json!({ "arguments": { "expression": "6*7" } });
    let answer = agent.post(&path, &ask).await.expect(200);
    assert_eq!(answer["result"]["structuredContent"]["result"], "42");
    let (_, translator) = gate.agent("lingua", "translator").await;
    let status = translator.post(&path, &ask).await.status.as_u16();
    assert!([403, 404].contains(&status), "{status}");
    drop(calculator);
    agent.post(&path, &ask).await.problem(502, "upstream_unreachable");
}
