//! Tools on MCP servers: real ones, made with the official Python SDK.

mod client;
mod drift;
mod probes;
mod registering;
mod versions;

use serde_json::{Value, json};

use crate::harness::{Caller, Gate, Setup};

/// A gate that may reach servers on this machine.
fn setup() -> Setup {
    Setup::new()
        .with("probe.allow_private_networks", "true")
        .with("rate_limits.probe_user", "1000/minute")
        .with("rate_limits.probe_ip", "1000/minute")
}

fn gate() -> Gate {
    setup().start()
}

/// A server to register under this name.
fn server(name: &str, url: &str) -> Value {
    json!({
        "tool_type": "remote", "name": name, "server_url": url, "tags": ["weather"],
        "scopes": ["use"], "required_scopes": ["agent:calc"],
    })
}

/// The tool of this name, as this caller sees it.
async fn tool(caller: &Caller, name: &str) -> Value {
    let all = caller.get("/api/v1/tools?page_size=200").await.expect(200);
    let items = all["items"].as_array().unwrap().clone();
    let found = items.into_iter().find(|it| it["name"] == name);
    found.unwrap_or_else(|| panic!("no tool `{name}`: {all}"))
}

fn path(tool: &Value, rest: &str) -> String {
    format!("/api/v1/tools/{}{rest}", tool["id"].as_str().unwrap())
}
