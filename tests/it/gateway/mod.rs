//! Calls of tools through the gateway.

mod again;
mod attacks;
mod builtin;
mod calls;
mod holders;
mod secrets;
mod vault;

use serde_json::{Value, json};

use crate::harness::{Caller, Gate, Setup, Upstream};

/// A server whose tools may be on this machine.
fn setup() -> Setup {
    Setup::new().with("probe.allow_private_networks", "true")
}

/// An HTTP tool that agents may call.
fn tool(name: &str, endpoint: &str, more: &Value) -> Value {
    let mut tool = json!({
        "tool_type": "http", "name": name, "endpoint": endpoint,
        "scopes": ["call"], "required_scopes": ["agent:calc"],
        "input_schema": {
            "type": "object",
            "properties": { "id": { "type": "string" }, "amount": { "type": "integer" } },
            "additionalProperties": false,
        },
    });
    tool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    tool
}

/// Registers a tool and gives the path that calls it.
async fn registered(admin: &Caller, tool: &Value) -> String {
    let tool = admin.post("/api/v1/tools", tool).await.expect(201);
    format!("/api/v1/tools/{}/invoke", tool["id"].as_str().unwrap())
}

/// A gate, what stands behind it, an administrator and an agent.
async fn scene() -> (Gate, Upstream, Caller, Caller) {
    let (gate, upstream) = (setup().start(), Upstream::open().await);
    let admin = gate.admin().await;
    let (_, agent) = gate.agent("lingua", "agent").await;
    (gate, upstream, admin, agent)
}

/// What the audit holds of a decision and of what came of it.
async fn entries(admin: &Caller, decision: &str) -> Vec<Value> {
    let found = admin.get("/api/v1/audit-events?action=tool.result").await.expect(200);
    let of = |it: &&Value| it["entry"]["details"]["decision"] == decision;
    found["items"].as_array().unwrap().iter().filter(of).cloned().collect()
}
