//! What a denial may take: calls that are large are refused without much looking for what helps.

use std::pin::pin;

use serde_json::{Value, json};

use super::denied;
use crate::harness::{Answer, Setup, Upstream, policies, samples};

/// At most 500 at once.
const LIMIT: &str = r#"
@id("own.pay.limit") @title("At most 500 at once")
forbid (principal, action in Gatewright::Action::"call", resource)
when { context.call.number.hasTag("/amount") && context.call.number.getTag("/amount") > 500 };
"#;

const MANY: usize = 15_000;

/// Too much money, with so many arguments beside it.
fn arguments(more: usize) -> Value {
    let mut all: serde_json::Map<_, _> =
        (0..more).map(|it| (format!("n{it}"), it.into())).collect();
    all.insert("amount".into(), 501.into());
    json!({ "arguments": all })
}

#[tokio::test]
async fn calls_of_many_arguments_are_denied_and_keep_nobody_else_waiting() {
    let setup = policies::own(Setup::new()).with("probe.allow_private_networks", "true");
    policies::put(setup.folder.path(), "90-own.cedar", LIMIT);
    let (gate, upstream) = (setup.start(), Upstream::open().await);
    let admin = gate.admin().await;
    let mut tool = samples::risky("pay", &upstream.url("/pay"));
    tool["required_scopes"] = json!(["agent:calc"]);
    tool["risk_level"] = json!("low");
    let made = admin.post("/api/v1/tools", &tool).await.expect(201);
    let invoke = format!("/api/v1/tools/{}/invoke", made["id"].as_str().unwrap());
    let (_, agent) = gate.agent("payer", "agent").await;

    let small = agent.post(&invoke, &arguments(10)).await;
    denied(&small, &["own.pay.limit"], &["argument"]);

    let long = json!({ "arguments": { "x".repeat(100_000): vec![1; 50_000] } });
    let told = agent.post(&invoke, &long).await.problem(422, "invalid");
    assert_eq!(told["errors"][0]["pointer"], "/arguments", "{told}");

    let (large, anyone) = (arguments(MANY), gate.anyone());
    let call = || agent.post(&invoke, &large);
    let mut calls =
        pin!(async { <[Answer; 4]>::from(tokio::join!(call(), call(), call(), call())) });
    let mut answered = 0;
    let refused = loop {
        tokio::select! {
            refused = &mut calls => break refused,
            ready = anyone.get("/readyz") => ready.expect(200),
        };
        answered += 1;
    };
    assert!(answered > 0, "nobody else was answered meanwhile");
    for it in &refused {
        denied(it, &["own.pay.limit"], &[]);
    }
    assert_eq!(upstream.calls(), 0);
}
