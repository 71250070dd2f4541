//! What a directory held, and somebody left behind: nothing but a person brings it back.

use gatewright::store::{self, Statement};
use reqwest::Method;
use serde_json::{Value, json};

use super::{FREEZE, People, act, active, deciding, setup, until};
use crate::approvals::registered;
use crate::harness::stores::{batch, group};
use crate::harness::{Caller, Gate, Setup, Upstream, policies, send};

const FILE: &str = "90-own.cedar";

/// Nobody pays more than this at once.
fn limit(amount: u32) -> String {
    format!(
        "@id(\"own.pay.limit\") @title(\"No more than {amount} at once\")\n\
         forbid (principal, action == Gatewright::Action::\"call:pay\", resource)\n\
         when {{ context.input.amount > {amount} }};"
    )
}

fn arguments(more: &[&str]) -> Value {
    let mut properties = json!({ "amount": { "type": "integer" } });
    for it in more {
        properties[it] = json!({ "type": "string" });
    }
    json!({ "type": "object", "required": ["amount"], "properties": properties })
}

async fn pay(admin: &Caller, upstream: &Upstream) -> Value {
    let body = json!({
        "tool_type": "http", "name": "pay", "endpoint": upstream.url("/pay"), "version": "1",
        "scopes": ["call"], "input_schema": arguments(&[]),
    });
    admin.post("/api/v1/tools", &body).await.expect(201)
}

/// What a tool takes is not for the policy admins alone to say.
async fn takes(admin: &Caller, tool: &Value, more: &[&str]) {
    let path = format!("/api/v1/tools/{}", tool["id"].as_str().unwrap());
    let body = json!({ "input_schema": arguments(more) });
    send(admin.request(Method::PATCH, &path).json(&body)).await.expect(200);
}

/// Puts the file, and waits until it decides.
async fn decide_by(gate: &Gate, admin: &Caller, text: &str) -> Value {
    let before = active(admin).await;
    policies::put(gate.folder.path(), FILE, text);
    until(async || active(admin).await["id"] != before["id"]).await;
    active(admin).await
}

#[tokio::test]
async fn a_restart_brings_nothing_back_whatever_tools_take_by_now() {
    let setup = setup(Setup::new()).with("policy.watch", "true");
    let mut gate = setup.with("probe.allow_private_networks", "true").start();
    let (upstream, admin) = (Upstream::open().await, gate.admin().await);
    let carol = registered(&gate, "carol", "policy_admin").await;
    let tool = pay(&admin, &upstream).await;
    let kept = decide_by(&gate, &admin, &limit(900)).await;
    decide_by(&gate, &admin, &limit(1200)).await;
    act(&carol, &kept, "rollback").await.expect(200);

    takes(&admin, &tool, &["memo"]).await;
    gate.restart();
    let admin = gate.admin().await;
    assert_eq!(active(&admin).await["id"], kept["id"], "what was rolled back is back");
    assert!(deciding(&gate, &kept["digest"]).await);
    assert_eq!(policies::said(&gate, "are ignored"), 1);

    // What decides anyway is no other bundle for that: the last step can still be undone.
    let next = decide_by(&gate, &admin, &limit(1000)).await;
    takes(&admin, &tool, &["memo", "to"]).await;
    gate.restart();
    let admin = gate.admin().await;
    assert_eq!(active(&admin).await["id"], next["id"]);
    assert!(deciding(&gate, &next["digest"]).await);
    assert_eq!(policies::said(&gate, "are ignored"), 0);
    let dave = registered(&gate, "dave", "policy_admin").await;
    act(&dave, &kept, "rollback").await.expect(200);
}

/// As if a release had stored the bundles that has another root tier, and did not know what people
/// wrote of them.
async fn age(gate: &Gate) {
    let db = store::open(&gate.setting("database.url").parse().unwrap()).unwrap();
    let statements = [
        "UPDATE bundles SET digest = 'old-' || digest, written = NULL",
        "UPDATE bundle_head SET digest = 'old-' || digest, directory = 'old-' || directory",
    ];
    let statements = statements.map(Statement::new).into();
    for held in db.commit(group(vec![batch(statements)])).await.unwrap() {
        held.unwrap();
    }
}

#[tokio::test]
async fn another_release_brings_nothing_back_but_what_decides() {
    let mut gate = setup(Setup::new()).with("policy.watch", "true").start();
    let (people, admin) = (People::on(&gate).await, gate.admin().await);
    let kept = active(&admin).await;
    decide_by(&gate, &admin, FREEZE).await;
    act(&people.carol, &kept, "rollback").await.expect(200);
    age(&gate).await;
    gate.restart();
    let admin = gate.admin().await;
    assert_eq!(active(&admin).await["id"], kept["id"], "what was rolled back is back");
    assert_eq!(policies::said(&gate, "are ignored"), 1);

    // What decides gets the digest that it has by now, so that decisions can be explained by it.
    policies::take(gate.folder.path(), FILE);
    age(&gate).await;
    gate.restart();
    let admin = gate.admin().await;
    let renewed = active(&admin).await;
    assert_eq!((&renewed["origin"], &renewed["base"]), (&json!("directory"), &kept_base(&kept)));
    assert!(renewed["id"] != kept["id"] && deciding(&gate, &renewed["digest"]).await);
    gate.restart();
    assert_eq!(active(&gate.admin().await).await["id"], renewed["id"]);
}

/// The digest of a bundle that grew old twice.
fn kept_base(kept: &Value) -> Value {
    format!("old-old-{}", kept["digest"].as_str().unwrap()).into()
}
