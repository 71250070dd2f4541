//! Replays, shadows and suggestions by the server that has the record.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{LIMIT, RISKY, Scene, ask, ids, ran};
use crate::harness::postgres::fresh_database;
use crate::harness::{Caller, Gate, Setup, policies, samples};

const BUNDLES: &str = "/api/v1/bundles";
const SHADOW: &str = "/api/v1/shadow";
/// The shadow is a thread of the lowest priority: on a busy machine it takes its time.
const DEADLINE: Duration = Duration::from_secs(60);

/// Drafts what decides, with this file besides.
async fn draft(by: &Caller, name: &str, text: &str) -> String {
    let all = by.get(&format!("{BUNDLES}?state=active")).await.expect(200);
    let active = all["items"][0]["id"].as_str().unwrap();
    let active = by.get(&format!("{BUNDLES}/{active}")).await.expect(200);
    let mut files = active["files"].clone();
    files[name] = text.into();
    let made = by.post(BUNDLES, &json!({ "files": files })).await.expect(201);
    assert_eq!(made["state"], "checked", "{made:#}");
    made["id"].as_str().unwrap().to_owned()
}

async fn flips(by: &Caller, bundle: &str) -> Value {
    by.get(&format!("{BUNDLES}/{bundle}")).await.expect(200)["flips"].clone()
}

/// Asks again until it is so.
async fn until(mut look: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !look().await {
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_draft_is_asked_what_was_asked_and_known_by_what_it_opens() {
    let it = Scene::new().await;
    let limit = draft(&it.admin, "policies/90-own.cedar", LIMIT).await;
    let replay = |bundle: &str, query: &str| format!("{BUNDLES}/{bundle}/replay{query}");

    assert_eq!(flips(&it.admin, &limit).await, Value::Null);
    let report = it.admin.act(&replay(&limit, "?since=1h")).await.expect(200);
    assert_eq!(ids(&report, "closed"), it.allowed[2..], "{report:#}");
    assert_eq!((&report["opened"], &report["unreplayable"]), (&json!([]), &json!({})));
    assert_eq!(flips(&it.admin, &limit).await, Value::Null, "an hour tells nothing of its reach");
    it.admin.act(&replay(&limit, "")).await.expect(200);
    assert_eq!(flips(&it.admin, &limit).await, it.allowed.len() - 2, "what closes counts, too");

    let risky = draft(&it.admin, "policies/90-own.cedar", RISKY).await;
    let report = it.admin.act(&replay(&risky, "?since=30d")).await.expect(200);
    assert_eq!(ids(&report, "opened"), std::slice::from_ref(&it.refused));
    assert_eq!(flips(&it.admin, &risky).await, 1);
    let log = it.admin.get("/api/v1/audit-events?action=policy.replay").await.expect(200);
    assert_eq!(log["items"][0]["entry"]["details"]["opened"], 1, "{log:#}");

    let wrong = it.admin.act(&replay(&risky, "?since=soon")).await.problem(422, "invalid");
    assert_eq!(wrong["errors"][0]["pointer"], "?since");
    let nothing = replay("019aa111-0000-7000-8000-000000000000", "");
    it.admin.act(&nothing).await.problem(404, "not_found");
    it.robot.act(&replay(&risky, "")).await.problem(404, "not_found");

    let mut command = it.gate.command(&["policy", "replay", &risky, "--fail-on", "opened"]);
    command.env("GATEWRIGHT_URL", &it.gate.url);
    command.env("GATEWRIGHT_TOKEN", it.admin.token.as_deref().unwrap());
    let (out, _) = ran(command, 1);
    assert!(out.contains("1 would open") && out.contains(&it.refused), "{out}");
}

/// What the shadow has seen, once nothing waits for it.
async fn decided(by: &Caller) -> Value {
    let mut seen = Value::Null;
    until(async || {
        seen = by.get(SHADOW).await.expect(200);
        seen["counts"]["waiting"] == 0
    })
    .await;
    seen
}

/// What the shadow has seen of this agent and the tool calc.
async fn group(by: &Caller, agent: &str) -> Value {
    let seen = by.get(SHADOW).await.expect(200);
    let groups = seen["groups"].as_array().unwrap().iter();
    let mut theirs = groups.filter(|it| it["principal"]["name"] == agent);
    theirs.next().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_shadow_changes_no_answer_and_counts_each_that_it_would_have_changed() {
    let it = Scene::new().await;
    let nothing = it.admin.get(SHADOW).await.expect(200);
    assert_eq!((&nothing["bundle"], &nothing["counts"]["same"]), (&Value::Null, &json!(0)));
    let told = |words: &[&str]| {
        let mut command = it.gate.command(&[&["policy", "shadow"], words].concat());
        command.env("GATEWRIGHT_URL", &it.gate.url);
        command.env("GATEWRIGHT_TOKEN", it.admin.token.as_deref().unwrap());
        ran(command, 0).0
    };
    assert_eq!(told(&[]), "no bundle is shadowed\n");
    let limit = draft(&it.admin, "policies/90-own.cedar", LIMIT).await;
    let cast = format!("{BUNDLES}/{limit}/shadow");
    it.robot.act(&cast).await.problem(404, "not_found");
    for wrong in ["0", "101", "all"] {
        it.admin.act(&format!("{cast}?sample_percent={wrong}")).await.problem(422, "invalid");
    }
    let now = format!("bundle {limit} is the shadow now, of 100 % of decisions\n");
    assert_eq!(told(&[&limit]), now);

    let (_, busy) = it.gate.agent("busy", "agent").await;
    let answers = join_all((0..80).map(|_| ask(&busy, "calc", 60))).await;
    let allowed: Vec<String> = answers.iter().map(|it| super::decision(it, 201)).collect();
    let seen = decided(&it.admin).await;
    assert_eq!((&seen["bundle"], &seen["sample_percent"]), (&json!(limit), &json!(100)));
    let counts = &seen["counts"];
    assert_eq!((&counts["opened"], &counts["skipped"]), (&json!(0), &json!(0)));
    assert!(counts["closed"] == 78 && counts["same"].as_u64().unwrap() >= 2, "{counts}");
    let said = told(&[]);
    assert!(said.contains("78 closed, 0 skipped") && !said.contains('{'), "{said}");
    let group = group(&it.admin, "busy").await;
    assert_eq!((&group["resource"]["name"], &group["opened"]), (&json!("calc"), &json!(0)));
    for example in group["examples"].as_array().unwrap() {
        assert!(allowed.iter().any(|it| example == it), "{example}");
    }
    let figures = it.gate.anyone().get("/metrics").await.text;
    let counted = "gatewright_shadow_decisions_total{result=\"closed\"} 78";
    assert!(figures.contains(counted), "{figures}");

    let off: Value = serde_json::from_str(&told(&["--off", "--output", "json"])).unwrap();
    assert_eq!(off, json!({ "bundle": null }));
    ask(&busy, "calc", 60).await.expect(201);
    assert_eq!(it.admin.get(SHADOW).await.expect(200)["bundle"], Value::Null);
    let figures = it.gate.anyone().get("/metrics").await.text;
    assert!(figures.contains(counted), "nothing is counted without a shadow");
}

/// A second server on the store of the first.
fn second(one: &Gate, url: &str) -> Gate {
    let key = |name: &str| one.folder.path().join(name).display().to_string();
    policies::own(Setup::new())
        .with("database.url", url)
        .with("auth.key_file", &key("access.key"))
        .with("auth.factors_key_file", &key("factors.key"))
        .with("credentials.key_file", &key("credentials.key"))
        .with("audit.key_file", &key("audit.key"))
        .start()
}

#[tokio::test]
async fn what_is_shadowed_is_shadowed_by_every_replica() {
    let url = fresh_database();
    let one = policies::own(Setup::new()).with("database.url", &url).start();
    let admin = one.admin().await;
    admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    let (robot, _) = one.agent("robot", "agent").await;
    let other = second(&one, &url);
    let there = other.admin().await;
    let bundle = draft(&admin, "policies/90-own.cedar", LIMIT).await;
    admin.act(&format!("{BUNDLES}/{bundle}/shadow?sample_percent=100")).await.expect(204);
    until(async || there.get(SHADOW).await.expect(200)["bundle"] == bundle.as_str()).await;
    let token = other.machine(&robot).await.token;
    let robot = Caller::new(&other.url, token.as_deref());
    for _ in 0..3 {
        ask(&robot, "calc", 60).await.expect(201);
    }
    until(async || group(&there, "robot").await["closed"] == 1).await;
    assert_eq!(group(&admin, "robot").await, Value::Null, "each counts what it decides itself");
    there.delete(SHADOW).await.expect(204);
    until(async || admin.get(SHADOW).await.expect(200)["bundle"].is_null()).await;
}

#[tokio::test]
async fn a_suggestion_of_the_server_can_be_drafted_as_it_is() {
    let it = Scene::new().await;
    let path = |agent: &str| format!("/api/v1/agents/{agent}/suggestion?since=1h");
    let suggestion = it.admin.get(&path("robot")).await.expect(200);
    assert_eq!(
        (&suggestion["sound"], &suggestion["widens"]["nothing"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(suggestion["used"][0]["scopes"], json!(["evaluate"]));
    assert_eq!(suggestion["replay"]["closed"], json!([]));
    let by_id = it.admin.get(&path(&it.robot.id().await)).await.expect(200);
    assert_eq!(by_id["used"], suggestion["used"]);
    let file = &suggestion["files"][0];
    assert_eq!(file["path"], "policies/suggest-robot.cedar");
    let text = file["text"].as_str().unwrap();
    let bundle = draft(&it.admin, "policies/suggest-robot.cedar", text).await;
    let report = it.admin.act(&format!("{BUNDLES}/{bundle}/replay")).await.expect(200);
    assert_eq!((&report["opened"], &report["closed"]), (&json!([]), &json!([])), "{report:#}");

    it.admin.get(&path("nobody")).await.problem(404, "not_found");
    it.robot.get(&path("robot")).await.problem(404, "not_found");
    let mut command = it.gate.command(&["policy", "suggest", "--agent", "robot"]);
    command.env("GATEWRIGHT_URL", &it.gate.url);
    command.env("GATEWRIGHT_TOKEN", it.admin.token.as_deref().unwrap());
    let (out, told) = ran(command, 0);
    assert!(out.contains("@id(\"suggest.robot.only\")"), "{out}");
    assert!(told.contains("can be relied on"), "{told}");
}
