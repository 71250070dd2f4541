//! Denied, told what would help, done, allowed: amounts, the past, networks.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{Scene, kinds};
use crate::harness::{Answer, Caller, Setup, policies, send};

const HISTORY: &str = r#"
[history.paid]
action = "invoke"
set = "payments"
count = "sum"
of = "/amount"
within = "1h"

[history.passed]
action = "invoke"
tool = "run_tests"
outcome = "success"
within = "1h"

[history.often]
action = "invoke"
set = "rare"
within = "2s"
"#;

const RULES: &str = r#"
@id("own.day") @title("At most a hundred an hour")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"payments")
when { context.history.paid.greaterThan(decimal("100.00")) };

@id("own.tested") @title("Tests come first")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"deployment")
unless { context.history.passed >= 1 };

@id("own.rare") @title("One at a time")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"rare")
when { context.history.often > 1 };

@id("own.vpn") @title("From inside alone")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"inner")
unless { context.net.zones.contains(Gatewright::NetZone::"vpn") };
"#;

const TYPED: &str = r#"
@id("own.most") @title("At most 50 at once")
forbid (principal, action == Gatewright::Action::"call:transfer", resource)
when { context.input.amount.greaterThanOrEqual(decimal("50.00")) };
"#;

async fn scene() -> Scene {
    let setup = Setup::new()
        .with("risk.zones.vpn", "198.51.100.0/24")
        .with("risk.trust_proxy_headers", "true")
        .with("risk.trusted_proxies", "127.0.0.1");
    Scene::on(setup, &[("95-own.cedar", RULES), ("history.toml", HISTORY)]).await
}

async fn call(by: &Caller, tool: &str, arguments: Value) -> Answer {
    by.post(&format!("{tool}/invoke"), &json!({ "arguments": arguments })).await
}

/// The only thing that would help.
#[track_caller]
fn only(answer: &Answer, kind: &str) -> Value {
    let problem = answer.problem(403, "denied");
    assert_eq!(kinds(&problem), [kind], "{problem}");
    problem["fix"][0].clone()
}

#[tokio::test]
async fn what_is_told_of_the_past_and_of_networks_is_done_and_helps() {
    let it = scene().await;
    let (_, agent) = it.gate.agent("robot", "agent").await;

    let pay = it.tool("pay", json!({ "tags": ["payments"] })).await;
    call(&agent, &pay, json!({ "amount": 59.75 })).await.expect(200);
    let less = only(&call(&agent, &pay, json!({ "amount": 60 })).await, "argument");
    assert_eq!((&less["pointer"], &less["value"]), (&json!("/amount"), &json!(40.25)));
    call(&agent, &pay, json!({ "amount": less["value"] })).await.expect(200);
    let wait = only(&call(&agent, &pay, json!({ "amount": 0.01 })).await, "wait");
    assert_eq!(wait["retry_after_seconds"], 3601);

    let tests = it.tool("run_tests", json!({ "tags": ["ci"] })).await;
    let deploy = it.tool("deploy", json!({ "tags": ["deployment"] })).await;
    let first = only(&call(&agent, &deploy, json!({})).await, "history");
    let wanted = json!({ "fact": "passed", "at_least": 1, "within_seconds": 3600 });
    assert_eq!(first["value"], wanted);
    call(&agent, &tests, json!({})).await.expect(200);
    call(&agent, &deploy, json!({})).await.expect(200);

    let inner = it.tool("inner", json!({ "tags": ["inner"] })).await;
    let network = only(&call(&agent, &inner, json!({})).await, "network");
    assert_eq!(network["value"], "vpn");
    let request = agent.request(Method::POST, &format!("{inner}/invoke"));
    let request = request.header("x-forwarded-for", "198.51.100.7");
    send(request.json(&json!({ "arguments": {} }))).await.expect(200);

    let rare = it.tool("rare", json!({ "tags": ["rare"] })).await;
    call(&agent, &rare, json!({})).await.expect(200);
    let refused = call(&agent, &rare, json!({})).await;
    let started = Instant::now();
    let seconds = only(&refused, "wait")["retry_after_seconds"].as_u64().unwrap();
    assert_eq!(seconds, 3);
    // It helps at the latest then: no call that begins later is refused.
    loop {
        let is_over = started.elapsed() >= Duration::from_secs(seconds);
        let answer = call(&agent, &rare, json!({})).await;
        if answer.status == 200 {
            break;
        }
        only(&answer, "wait");
        assert!(!is_over, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn an_amount_that_is_too_much_or_too_exact_is_mended_as_it_is_told() {
    let it = Scene::on(Setup::new().with("policy.watch", "true"), &[]).await;
    let (_, agent) = it.gate.agent("robot", "agent").await;
    let schema = json!({
        "type": "object", "required": ["amount"],
        "properties": { "amount": { "type": "number" } },
    });
    let transfer = it.tool("transfer", json!({ "input_schema": schema })).await;
    let send = |amount: Value| call(&agent, &transfer, json!({ "amount": amount }));
    policies::put(it.gate.folder.path(), "96-typed.cedar", TYPED);
    let started = Instant::now();
    while send(json!(99.5)).await.status == 200 {
        assert!(started.elapsed() < Duration::from_secs(30), "in vain: {:?}", it.gate.log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for (sent, allowed, beyond) in
        [(json!(99.5), json!(49.99), json!(50)), (json!(7.123_456), json!(7.1234), json!(7.123_45))]
    {
        let refused = send(sent).await;
        let fix = only(&refused, "argument");
        assert_eq!((&fix["pointer"], &fix["value"]), (&json!("/amount"), &allowed), "{fix}");
        send(beyond).await.problem(403, "denied");
        send(fix["value"].clone()).await.expect(200);
    }
    let refused = send(json!(7.123_456)).await.problem(403, "denied");
    let decision = refused["decision_id"].as_str().unwrap();
    let path = format!("/api/v1/decisions/{decision}/explain");
    let told = agent.get(&path).await.expect(200)["explanation"].clone();
    assert!(told["unfit"].as_str().unwrap().contains("`/amount` is 7.123456"), "{told}");
    assert_eq!(told["fix"], refused["fix"]);
}
