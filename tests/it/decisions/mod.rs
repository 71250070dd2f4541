//! Policies deciding real requests, and fixes that help when they are followed.

mod bundles;
mod countries;
mod effort;
mod hours;
mod lifetimes;
mod networks;
mod quotas;
mod scopes;
mod typed;

use serde_json::{Value, json};

use crate::harness::{Answer, Caller};

const CREDENTIALS: &str = "/api/v1/credentials";

/// Registers a function tool that offers `evaluate`, with these changes.
async fn tool(admin: &Caller, name: &str, changes: Value) -> Value {
    let mut body = json!({
        "tool_type": "function", "name": name, "scopes": ["evaluate"], "input_schema": {},
    });
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    admin.post("/api/v1/tools", &body).await.expect(201)
}

/// Asks for a credential in the plainest way.
async fn ask(caller: &Caller, tool: &str) -> Answer {
    caller.post(CREDENTIALS, &json!({ "tool": tool, "scopes": ["evaluate"] })).await
}

/// A denial that must have these reasons and offer fixes of these kinds; the first fix's detail.
#[track_caller]
fn denied(answer: &Answer, reasons: &[&str], fixes: &[&str]) -> String {
    // A quota that is used up, and nothing else, is not a matter of what one may.
    let problem = match fixes {
        ["wait"] => answer.problem(429, "quota_exceeded"),
        _ => answer.problem(403, "denied"),
    };
    assert_eq!(problem["reasons"], json!(reasons), "{problem}");
    let offered = problem["fix"].as_array().unwrap();
    let kinds: Vec<&str> = offered.iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, fixes, "{problem}");
    assert!(problem["decision_id"].is_string(), "{problem}");
    offered.first().map(|it| it["detail"].as_str().unwrap().to_owned()).unwrap_or_default()
}

/// The audit's entry of the decision that an answer names.
async fn entry(admin: &Caller, answer: &Answer) -> Value {
    let id = answer.json()["decision_id"].as_str().unwrap().to_owned();
    let found = admin.get(&format!("/api/v1/audit-events?decision_id={id}")).await.expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "one entry for one decision");
    found["items"][0]["entry"].clone()
}
