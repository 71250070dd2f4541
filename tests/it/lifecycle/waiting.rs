//! Files that are good but for what is not there yet: they decide once it is, and nobody touches them.

use std::fs;

use serde_json::{Value, json};

use super::{active, figure, setup, until};
use crate::harness::{Caller, Gate, Setup, Upstream, policies, samples};

const REFUSED: &str = "gatewright_policy_bundles_refused_total";

const LIMIT: &str = r#"
@id("own.pay.limit") @title("No more than 500 at once")
forbid (principal, action == Gatewright::Action::"call:pay", resource)
when { context.input.amount > 500 };
"#;

async fn is_degraded(gate: &Gate) -> bool {
    gate.anyone().get("/readyz").await.expect(200)["status"] == "degraded"
}

async fn refusals(admin: &Caller) -> usize {
    let path = "/api/v1/audit-events?action=policy.refused";
    admin.get(path).await.expect(200)["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_rule_about_a_tool_decides_once_the_tool_is_registered() {
    let setup = setup(Setup::new()).with("policy.watch", "true");
    let gate = setup.with("probe.allow_private_networks", "true").start();
    let (upstream, admin) = (Upstream::open().await, gate.admin().await);
    let before = active(&admin).await;
    policies::put(gate.folder.path(), "90-own.cedar", LIMIT);
    until(async || is_degraded(&gate).await).await;
    assert_eq!(policies::said(&gate, "no registered tool `pay`"), 1);

    let properties = json!({ "amount": { "type": "integer" } });
    let tool = json!({
        "tool_type": "http", "name": "pay", "endpoint": upstream.url("/pay"), "version": "1",
        "scopes": ["call"],
        "input_schema": { "type": "object", "required": ["amount"], "properties": properties },
    });
    admin.post("/api/v1/tools", &tool).await.expect(201);
    until(async || active(&admin).await["id"] != before["id"]).await;
    until(async || !is_degraded(&gate).await).await;
    admin.get("/api/v1/policies/own.pay.limit").await.expect(200);
    assert_eq!((figure(&gate, REFUSED).await, refusals(&admin).await), (1.0, 1), "told once");
}

#[tokio::test]
async fn files_without_a_template_decide_once_its_grant_is_gone() {
    let mut gate = setup(Setup::new()).with("policy.watch", "true").start();
    let admin = gate.admin().await;
    admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    gate.agent("robot", "agent").await;
    let grants: [Value; 2] =
        [granted(&admin, "grant.agent-tool").await, granted(&admin, "block.agent-tool").await];
    let before = active(&admin).await;
    fs::remove_dir_all(policies::folder(gate.folder.path()).join("templates")).unwrap();
    until(async || is_degraded(&gate).await).await;
    revoke(&admin, &grants[0]).await;
    // Other faults are told of, the same ones are not.
    until(async || refusals(&admin).await == 2).await;

    gate.restart();
    let admin = gate.admin().await;
    assert_eq!(
        (is_degraded(&gate).await, active(&admin).await["id"].clone()),
        (true, before["id"].clone())
    );
    revoke(&admin, &grants[1]).await;
    until(async || active(&admin).await["id"] != before["id"]).await;
    until(async || !is_degraded(&gate).await).await;
    assert_eq!(refusals(&admin).await, 3);
}

async fn granted(admin: &Caller, template: &str) -> Value {
    let mut body = samples::grant("Agent:robot", "Tool:calc");
    body["template"] = template.into();
    admin.post("/api/v1/grants", &body).await.expect(201)
}

async fn revoke(admin: &Caller, grant: &Value) {
    let path = format!("/api/v1/grants/{}", grant["id"].as_str().unwrap());
    admin.delete(&path).await.expect(204);
}
