//! Things to register.

use serde_json::{Value, json};

/// A policy in the place of one that there is.
pub const POLICY: &str = r#"@id("use.translators")
@title("Nobody calls the abacus")
forbid (principal, action in Gatewright::Action::"call", resource == Gatewright::Tool::"abacus");
"#;

/// A low-risk function tool that role `translator` may use.
pub fn translate(name: &str) -> Value {
    json!({
        "tool_type": "function",
        "name": name,
        "tags": ["translation"],
        "scopes": ["read", "translate"],
        "required_scopes": ["agent:translate"],
        "input_schema": { "type": "object", "properties": { "text": { "type": "string" } } },
    })
}

/// What lets this agent use tools with the tag `tools` in somebody's name, for an hour.
#[expect(clippy::disallowed_methods, reason = "people have clocks of their own")]
pub fn mandate(agent: &str, tools: &str, scopes: &[&str]) -> Value {
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    json!({ "agent": agent, "tools": tools, "scopes": scopes, "expires_at": ends })
}

/// A low-risk function tool that role `agent` may use.
pub fn calculate(name: &str) -> Value {
    json!({
        "tool_type": "function",
        "name": name,
        "scopes": ["evaluate"],
        "required_scopes": ["agent:calc"],
        "input_schema": { "type": "object" },
    })
}

/// A high-risk HTTP tool that role `translator` may use with an approval.
pub fn risky(name: &str, endpoint: &str) -> Value {
    json!({
        "tool_type": "http",
        "name": name,
        "endpoint": endpoint,
        "tags": ["translation"],
        "scopes": ["call"],
        "required_scopes": ["agent:translate"],
        "risk_level": "high",
        "input_schema": { "type": "object" },
    })
}

/// A request for access to a tool that was refused to this agent.
pub fn access_request(agent: &str, tool: &str, refusal: &str) -> Value {
    json!({
        "subject": { "type": "agent", "id": agent },
        "resource": { "type": "tool", "id": tool },
        "action": { "name": "invoke" },
        "context": { "arguments": {} },
        "denial": { "evaluation_id": refusal, "expires_at": "2100-01-01T00:00:00Z" },
    })
}

/// A question about what somebody might do, as this route takes it.
pub fn question(line: &str) -> Option<Value> {
    let (admin, tool) =
        (json!({ "type": "user", "id": "admin" }), json!({ "type": "tool", "id": "calc" }));
    let mut body = json!({ "subject": admin, "action": { "name": "view_tool" }, "resource": tool });
    match line.strip_prefix("POST /access/v1/")? {
        "evaluation" => {}
        "evaluations" => body["evaluations"] = json!([{}, { "action": { "name": "invoke" } }]),
        "search/subject" => body["subject"] = json!({ "type": "user" }),
        "search/resource" => body["resource"] = json!({ "type": "tool" }),
        "search/action" => body["action"] = Value::Null,
        _ => return None,
    }
    Some(body)
}

/// What a browser might say it has made; of the right shape, and of nothing.
pub fn passkey() -> Value {
    let response = json!({ "attestationObject": "oA", "clientDataJSON": "e30" });
    json!({ "id": "AA", "rawId": "AA", "type": "public-key", "response": response })
}

/// What a browser might say it has signed.
pub fn signed() -> Value {
    let response = json!({ "authenticatorData": "AA", "clientDataJSON": "e30", "signature": "AA" });
    json!({ "id": "AA", "rawId": "AA", "type": "public-key", "response": response })
}

/// An OpenAPI document of one operation, to import under this name.
pub fn api(name: &str) -> Value {
    let id =
        json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
    json!({
        "template": { "name": name, "scopes": ["call"] },
        "base_url": "https://api.example.com/v1",
        "document": {
            "openapi": "3.1.0", "info": { "title": "Orders", "version": "1" },
            "paths": { "/orders/{id}": { "get": {
                "operationId": "getOrder", "parameters": [id], "responses": {},
            } } },
        },
    })
}

/// A grant of the plain template.
pub fn grant(principal: &str, resource: &str) -> Value {
    json!({ "template": "grant.agent-tool", "principal": principal, "resource": resource })
}
