//! What nobody gets through.

use serde_json::{Value, json};

use super::{BUNDLES, FREEZE, LOCKS_OUT, OURS, People, RAISES, TYPO, act, active, denied, draft};
use super::{files, review, setup};
use crate::harness::{Gate, Setup};

#[tokio::test]
async fn a_broken_draft_is_kept_with_what_is_wrong_and_never_activated() {
    let gate = setup(Setup::new()).start();
    let people = People::on(&gate).await;
    let typo = format!("{}{TYPO}", FREEZE.trim_end().trim_end_matches(';'));
    for (text, step, line, says) in [
        ("permit (principal", "parse", 1, ""),
        (typo.as_str(), "validation", 4, "stat"),
        ("permit (principal, action, resource);", "parse", 1, "without @id"),
    ] {
        let made = people.draft(text).await;
        assert_eq!((&made["state"], &made["report"]["passed"]), (&json!("draft"), &json!(false)));
        let section = &made["report"][step];
        assert_eq!(section["status"], "failed", "{made}");
        let fault = &section["faults"][0];
        assert_eq!((&fault["file"], &fault["line"]), (&json!(OURS), &json!(line)), "{fault}");
        assert!(fault["column"].is_u64(), "{fault}");
        assert!(fault["problem"].as_str().unwrap().contains(says), "{fault}");
        assert_eq!(made["report"]["invariants"]["status"], "skipped");
        for it in [&people.carol, &people.frank] {
            review(it, &made, "yes").await.expect(200);
        }
        denied(&act(&people.erin, &made, "activate").await, &["root.policy.checked"]);
    }
    let unnamed = people.dave.get(&format!("{BUNDLES}?state=draft")).await.expect(200);
    assert_eq!(unnamed["items"].as_array().unwrap().len(), 3);
    assert!(unnamed["items"][0]["report"].is_null(), "a list is short");
}

#[tokio::test]
async fn no_bundle_locks_everybody_out_or_lets_anybody_raise_themselves() {
    let gate = setup(Setup::new()).start();
    let people = People::on(&gate).await;
    for (text, policy) in [(LOCKS_OUT, "own.still"), (RAISES, "own.keys")] {
        let made = people.draft(text).await;
        assert_eq!((&made["state"], &made["invariants_hold"]), (&json!("draft"), &json!(false)));
        let found = &made["report"]["invariants"];
        assert_eq!(found["status"], "failed", "{made}");
        let shown = &found["violations"][0];
        assert_eq!(shown["policies"], json!([policy]), "{shown}");
        assert!(shown["shown"].as_str().unwrap().contains("User::"), "{shown}");
        assert!(shown["counterexample"]["context"].is_object(), "{shown}");
        for it in [&people.carol, &people.frank] {
            review(it, &made, "yes").await.expect(200);
        }
        denied(&act(&people.erin, &made, "activate").await, &["root.policy.checked"]);
    }
}

#[tokio::test]
async fn whoever_is_no_policy_admin_or_no_person_gets_nowhere() {
    let gate = setup(Setup::new()).start();
    let people = People::on(&gate).await;
    let made = people.draft(FREEZE).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    let plain = gate.user("uma", "user").await;
    for caller in [&robot, &plain] {
        for verb in ["check", "activate", "rollback"] {
            act(caller, &made, verb).await.problem(404, "not_found");
        }
        review(caller, &made, "yes").await.problem(404, "not_found");
        let files = json!({ "files": { OURS: FREEZE } });
        caller.post(BUNDLES, &files).await.problem(404, "not_found");
        caller.get("/api/v1/policies").await.problem(404, "not_found");
        assert_eq!(caller.get(BUNDLES).await.expect(200)["items"], json!([]));
    }
}

#[tokio::test]
async fn what_is_no_bundle_is_refused_by_where_it_stands() {
    let gate = setup(Setup::new()).start();
    let people = People::on(&gate).await;
    let dave = &people.dave;
    let post = async |body: &Value| dave.post(BUNDLES, body).await.problem(422, "invalid");
    let stray = post(&json!({ "files": { "policies/../x.cedar": "" } })).await;
    assert_eq!(stray["errors"][0]["pointer"], "/files/policies~1..~1x.cedar");
    post(&json!({ "files": {} })).await;
    post(&json!({ "files": { OURS: FREEZE }, "note": "n".repeat(501) })).await;

    let mut all = files(dave).await;
    all["policies/00-root.cedar"] = FREEZE.into();
    let root = dave.post(BUNDLES, &json!({ "files": all })).await.expect(201);
    assert_eq!(root["state"], "draft");
    let problem = root["report"]["parse"]["faults"][0]["problem"].as_str().unwrap().to_owned();
    assert!(problem.contains("root tier"), "{problem}");

    let made = people.draft(FREEZE).await;
    let silent = json!({ "verdict": "no" });
    let path = format!("{}/review", super::path(&made));
    people.carol.post(&path, &silent).await.problem(422, "invalid");
    act(&people.carol, &made, "rollback").await.problem(409, "conflict");
    act(&people.carol, &active(dave).await, "check").await.problem(409, "conflict");
    assert_eq!(draft(dave, FREEZE).await.expect(200)["id"], made["id"]);
}

#[tokio::test]
async fn a_gate_without_anybody_to_review_stays_as_it_is() {
    let gate: Gate = setup(Setup::new()).start();
    let admin = gate.admin().await;
    let before = active(&admin).await;
    let made = draft(&admin, FREEZE).await.expect(201);
    review(&admin, &made, "yes").await.problem(403, "denied");
    act(&admin, &made, "activate").await.problem(403, "denied");
    assert_eq!(active(&admin).await, before);
}
