//! Things to register.

use serde_json::{Value, json};

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
