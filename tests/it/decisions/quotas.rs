//! Limits that hold to the last unit, however many ask at once.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gatewright::clock::Clock;
use serde_json::{Value, json};

use super::{CREDENTIALS, ask, denied, entry, tool};
use crate::harness::{Answer, Caller, Gate, Setup};

const DAY: i64 = 86_400;

/// How many were allowed; the rest must have been refused for this reason, to be tried again later.
#[track_caller]
fn allowed(answers: &[Answer], reason: &str) -> usize {
    let (yes, no): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 201);
    for answer in no {
        denied(answer, &[reason], &["wait"]);
        let seconds = &answer.json()["fix"][0]["retry_after_seconds"];
        assert_eq!(answer.headers["retry-after"].to_str().unwrap(), seconds.to_string());
    }
    yes.len()
}

async fn many(caller: &Caller, tool: &str, times: usize) -> Vec<Answer> {
    join_all((0..times).map(|_| ask(caller, tool))).await
}

async fn figure(gate: &Gate, line: &str) -> String {
    let text = gate.anyone().get("/metrics").await.text;
    let found = text.lines().find_map(|it| it.strip_prefix(line)).map(str::trim);
    found.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn of_two_hundred_at_once_a_hundred_are_allowed() {
    a_hundred_of_two_hundred(Setup::new()).await;
}

#[tokio::test]
async fn of_two_hundred_at_once_a_hundred_are_allowed_on_postgres() {
    a_hundred_of_two_hundred(Setup::on_postgres()).await;
}

async fn a_hundred_of_two_hundred(setup: Setup) {
    let mut gate = setup.start();
    let admin = gate.admin().await;
    tool(&admin, "calc", json!({})).await;
    tool(&admin, "other", json!({})).await;
    let (registered, robot) = gate.agent("robot", "agent").await;
    let (_, second) = gate.agent("second", "agent").await;

    // What another agent is refused meanwhile is no business of this one's budget.
    let greedy = json!({ "tool": "calc", "scopes": ["evaluate", "delete"] });
    let (answers, refused) = tokio::join!(
        many(&robot, "calc", 200),
        join_all((0..20).map(|_| second.post(CREDENTIALS, &greedy))),
    );
    assert_eq!(allowed(&answers, "limit.calls-per-minute"), 100);
    refused.iter().for_each(|it| drop(denied(it, &["guard.scope.tool"], &["scopes"])));
    let over = ask(&robot, "calc").await;
    assert_eq!(denied(&over, &["limit.calls-per-minute"], &["wait"]), "wait up to 60 s");
    assert_eq!(
        entry(&admin, &over).await["facts"]["particulars"]["usage"]["calls_last_minute"],
        101
    );
    let refusals = "gatewright_quota_refusals_total{action=\"request_credential\"}";
    assert_eq!(figure(&gate, refusals).await, "101");

    ask(&robot, "other").await.expect(201);
    assert_eq!(allowed(&many(&second, "calc", 1).await, ""), 1);
    let listed = admin.get(&format!("{CREDENTIALS}?page_size=200")).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 102, "as many as were allowed");

    gate.restart();
    let robot = gate.machine(&registered).await;
    denied(&ask(&robot, "calc").await, &["limit.calls-per-minute"], &["wait"]);
    ask(&robot, "other").await.expect(201);
}

#[tokio::test]
async fn refusals_use_nothing_up() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    tool(&admin, "calc", json!({ "cost_per_call": 0.05 })).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    let greedy = json!({ "tool": "calc", "scopes": ["evaluate", "delete"] });
    for answer in join_all((0..150).map(|_| robot.post(CREDENTIALS, &greedy))).await {
        denied(&answer, &["guard.scope.tool"], &["scopes"]);
    }
    assert_eq!(allowed(&many(&robot, "calc", 100).await, ""), 100);
    denied(&ask(&robot, "calc").await, &["limit.calls-per-minute"], &["wait"]);
}

#[tokio::test]
async fn a_dangerous_tool_has_a_limit_of_its_own_for_everybody() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    tool(&admin, "drill", json!({ "risk_level": "high" })).await;
    let answers = many(&admin, "drill", 30).await;
    assert_eq!(allowed(&answers, "limit.calls-per-minute.high-risk"), 10);
}

/// Counters of a day begin anew at midnight UTC: a test about one must lie on one side of it.
async fn away_from_midnight() {
    let seconds_left = || DAY - Clock::system().now().as_second().rem_euclid(DAY);
    let started = Instant::now();
    while seconds_left() < 30 {
        assert!(started.elapsed() < Duration::from_secs(60), "midnight does not come");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_days_money_is_spent_to_the_cent_and_no_further() {
    a_days_money(Setup::new()).await;
}

#[tokio::test]
async fn a_days_money_is_spent_to_the_cent_and_no_further_on_postgres() {
    a_days_money(Setup::on_postgres()).await;
}

async fn a_days_money(setup: Setup) {
    let mut gate = setup.start();
    let admin = gate.admin().await;
    for (name, price) in [("dear", 0.3), ("cheap", 0.06), ("tiny", 0.000001), ("free", 0.0)] {
        tool(&admin, name, json!({ "cost_per_call": price })).await;
    }
    let (registered, robot) = gate.agent("robot", "agent").await;
    away_from_midnight().await;
    let limit = "limit.cost-per-day";
    let answers = many(&robot, "dear", 60).await;
    assert_eq!(allowed(&answers, limit), 33, "33 × 0.30 is 9.90");
    let left = answers.iter().find(|it| it.status == 429).unwrap().json();
    let wait = left["fix"][0]["retry_after_seconds"].as_i64().unwrap();
    assert!((1..=DAY).contains(&wait), "until midnight, not {wait}");

    assert_eq!(allowed(&many(&robot, "cheap", 5).await, limit), 1, "9.96");
    for _ in 0..3 {
        ask(&robot, "free").await.expect(201);
    }
    gate.restart();
    let robot = gate.machine(&registered).await;
    assert_eq!(allowed(&many(&robot, "cheap", 5).await, limit), 0);
    ask(&robot, "free").await.expect(201);
    let spent: Value = entry(&gate.admin().await, &ask(&robot, "cheap").await).await;
    assert_eq!(spent["facts"]["particulars"]["usage"]["cost_today_micros"], 10_020_000);
    // Less than Cedar's decimals can hold is rounded up, never down.
    ask(&robot, "tiny").await.expect(201);
}

#[tokio::test]
async fn the_last_cent_is_allowed_and_the_next_is_not() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    tool(&admin, "five", json!({ "cost_per_call": 5 })).await;
    tool(&admin, "tiny", json!({ "cost_per_call": 0.000001 })).await;
    tool(&admin, "eleven", json!({ "cost_per_call": 11 })).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    away_from_midnight().await;
    // No day is long enough for it: waiting is no fix.
    denied(&ask(&robot, "eleven").await, &["limit.cost-per-day"], &[]);
    ask(&robot, "five").await.expect(201);
    ask(&robot, "five").await.expect(201);
    denied(&ask(&robot, "tiny").await, &["limit.cost-per-day"], &["wait"]);
}
