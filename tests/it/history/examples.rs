//! The documentation's three rules, as it shows them.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Scene, call, documented, refused};
use crate::harness::server::WORDS;
use crate::harness::{Caller, Gate};

const DEPLOYMENT: &str = "history.tests-before-deployment";
const CUSTOMERS: &str = "history.customers-per-session";
const PAYMENTS: &str = "history.payments-per-day";

#[tokio::test]
async fn deploy_after_tests_and_see_few_customers_and_pay_little() {
    every_rule(Scene::new(&documented()).await).await;
}

#[tokio::test]
async fn deploy_after_tests_and_see_few_customers_and_pay_little_on_postgres() {
    every_rule(Scene::on_postgres(&documented()).await).await;
}

async fn every_rule(mut scene: Scene) {
    let (registered, agent) = scene.gate().agent("robot", "agent").await;
    let (_, other) = scene.gate().agent("other", "agent").await;
    let tests = scene.tool("run_tests", "ci", "/status/500").await;
    let deploy = scene.tool("deploy", "deployment", "/deploy").await;
    let look = scene.tool("customer", "customer-records", "/customer").await;
    let pay = scene.tool("pay", "payments", "/pay").await;
    deploys_after_tests(&scene, (&tests, &deploy), &agent, &other).await;
    sees_three_customers(&scene, &look, &agent, &registered).await;
    pays_a_thousand(&scene, &pay, &agent, &other).await;

    scene.gates[0].restart();
    let agent = scene.gate().machine(&registered).await;
    call(&agent, &deploy, json!({})).await.expect(200);
    refused(&call(&agent, &pay, json!({ "amount": 0.01 })).await, PAYMENTS);
}

async fn deploys_after_tests(
    scene: &Scene,
    (tests, deploy): (&str, &str),
    agent: &Caller,
    other: &Caller,
) {
    let early = call(agent, deploy, json!({})).await;
    refused(&early, DEPLOYMENT);
    assert_eq!(told(&scene.admin, &early).await, json!({ "tests_passed": 0 }));
    // Neither tests that fail nor somebody else's are tests that passed.
    call(agent, tests, json!({})).await.problem(502, "upstream_refused");
    refused(&call(agent, deploy, json!({})).await, DEPLOYMENT);
    let mended = json!({ "endpoint": scene.upstream.url("/tests") });
    scene.admin.patch(tests.strip_suffix("/invoke").unwrap(), &mended).await.expect(200);
    call(other, tests, json!({})).await.expect(200);
    refused(&call(agent, deploy, json!({})).await, DEPLOYMENT);
    call(agent, tests, json!({})).await.expect(200);
    let deployed = call(agent, deploy, json!({})).await;
    deployed.expect(200);
    assert_eq!(told(&scene.admin, &deployed).await, json!({ "tests_passed": 1 }));
}

async fn sees_three_customers(scene: &Scene, look: &str, agent: &Caller, registered: &Value) {
    let see = |by: &Caller, id: Value| {
        let (by, look) = (by.clone(), look.to_owned());
        async move { call(&by, &look, json!({ "customer_id": id })).await }
    };
    for id in ["anna", "bert", "anna", "carl", "bert"] {
        see(agent, id.into()).await.expect(200);
    }
    let fourth = see(agent, "dora".into()).await;
    refused(&fourth, CUSTOMERS);
    assert_eq!(told(&scene.admin, &fourth).await, json!({ "customers": 4 }));
    see(agent, "anna".into()).await.expect(200);
    refused(&see(agent, "dora".into()).await, CUSTOMERS);
    let problem = call(agent, look, json!({})).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/arguments/customer_id", "{problem}");
    // Another token is no way around it; a person's other session begins with nothing.
    let again = scene.gate().machine(registered).await;
    refused(&see(&again, "dora".into()).await, CUSTOMERS);
    see(&again, "anna".into()).await.expect(200);
    let uma = scene.gate().user("uma", "user").await;
    for id in ["dora", "emil", "fred"] {
        see(&uma, id.into()).await.expect(200);
    }
    refused(&see(&uma, "gina".into()).await, CUSTOMERS);
    let uma = scene.gate().sign_in("uma", WORDS).await;
    see(&uma, "gina".into()).await.expect(200);
}

async fn pays_a_thousand(scene: &Scene, pay: &str, agent: &Caller, other: &Caller) {
    let paid = async |by: &Caller, amount: Value| call(by, pay, json!({ "amount": amount })).await;
    paid(agent, json!(600)).await.expect(200);
    paid(agent, json!(399.9999)).await.expect(200);
    let over = paid(agent, json!(0.01)).await;
    refused(&over, PAYMENTS);
    assert_eq!(told(&scene.admin, &over).await, json!({ "paid_today": "1000.0099" }));
    paid(agent, json!(0.0001)).await.expect(200);
    refused(&paid(agent, json!(0.0001)).await, PAYMENTS);
    paid(other, json!(1000)).await.expect(200);
    for amount in [json!(0.00001), json!(-1), json!("1"), json!(null)] {
        let problem = paid(other, amount).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/arguments/amount", "{problem}");
    }
}

#[tokio::test]
async fn who_tested_may_deploy_in_the_same_session_however_many_do_at_once() {
    let (history, rules) = documented();
    let history = history.replacen("within = \"1h\"", "within = \"1h\"\nper = \"session\"", 1);
    let scene = Scene::new(&(history, rules)).await;
    let (registered, idle) = scene.gate().agent("robot", "agent").await;
    let tests = scene.tool("run_tests", "ci", "/tests").await;
    let deploy = scene.tool("deploy", "deployment", "/deploy").await;
    let sessions = join_all((0..16).map(|_| scene.gate().machine(&registered))).await;
    let done = join_all(sessions.iter().map(|it| async {
        call(it, &tests, json!({})).await.expect(200);
        call(it, &deploy, json!({})).await
    }));
    let (done, idle) = tokio::join!(done, call(&idle, &deploy, json!({})));
    done.iter().for_each(|it| drop(it.expect(200)));
    refused(&idle, DEPLOYMENT);
}

/// What the decision was told of the past.
async fn told(admin: &Caller, answer: &crate::harness::Answer) -> Value {
    let id = answer.json()["decision_id"].as_str().unwrap().to_owned();
    let found = admin.get(&format!("/api/v1/audit-events?decision_id={id}")).await.expect(200);
    found["items"][0]["entry"]["facts"]["history"].clone()
}

#[tokio::test]
async fn without_a_declaration_nothing_is_counted() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let tool = json!({
        "tool_type": "function", "name": "calc", "scopes": ["evaluate"], "input_schema": {},
    });
    admin.post("/api/v1/tools", &tool).await.expect(201);
    let ask = json!({ "tool": "calc", "scopes": ["evaluate"] });
    admin.post("/api/v1/credentials", &ask).await.expect(201);
    let db = gatewright::store::open(&gate.setting("database.url").parse().unwrap()).unwrap();
    let turns = db.query("SELECT turn FROM history_turn", vec![]).await.unwrap();
    assert_eq!(turns[0].int(0).unwrap(), 0);
}
