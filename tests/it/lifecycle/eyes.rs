//! Four eyes: who writes, who reviews, who activates.

use serde_json::{Value, json};

use super::{FREEZE, People, act, active, ask, calculator, denied, draft, path, review, setup};
use crate::harness::{Gate, Setup};

async fn walk(gate: Gate) {
    let people = People::on(&gate).await;
    let admin = gate.admin().await;
    calculator(&admin).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    ask(&robot).await.expect(201);
    let before = active(&people.dave).await;
    assert_eq!(before["origin"], "directory");

    let made = people.draft(FREEZE).await;
    assert_eq!(made["state"], "checked", "{made}");
    assert_eq!(made["tests_green"], false, "a bundle without tests is not green");
    assert_eq!(made["report"]["tests"]["status"], "missing", "{made}");
    assert_eq!((&made["author"]["name"], &made["note"]), (&json!("dave"), &json!("as agreed")));
    assert_eq!(made["base"], before["digest"]);
    let again = draft(&people.dave, FREEZE).await.expect(200);
    assert_eq!(again["id"], made["id"], "the same files are the same bundle");

    denied(&review(&people.dave, &made, "yes").await, &["root.policy.own-review"]);
    let unread = act(&people.erin, &made, "activate").await.problem(403, "denied");
    let reasons: Vec<&str> =
        unread["reasons"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert!(reasons.contains(&"root.policy.four-eyes"), "{unread}");
    assert!(reasons.contains(&"root.policy.blast-radius"), "nobody replayed it: {unread}");
    review(&people.carol, &made, "yes").await.expect(200);
    let own = act(&people.carol, &made, "activate").await.problem(403, "denied");
    assert!(own["reasons"].as_array().unwrap().contains(&json!("root.policy.four-eyes")));

    let objected = review(&people.frank, &made, "no").await.expect(200);
    assert_eq!(objected["reviews"][1]["verdict"], "no", "{objected}");
    let admins_yes = review(&admin, &made, "yes").await.expect(200);
    assert_eq!(admins_yes["reviews"].as_array().unwrap().len(), 3);
    denied(&act(&people.erin, &made, "activate").await, &["root.policy.objection"]);
    review(&people.frank, &made, "none").await.expect(200);

    ask(&robot).await.expect(201);
    let active_now = act(&people.erin, &made, "activate").await.expect(200);
    assert_eq!(active_now["state"], "active");
    denied(&ask(&robot).await, &["own.freeze"]);
    let policies = people.erin.get("/api/v1/policies").await.expect(200);
    assert_eq!(policies["digest"], made["digest"]);
    let ids: Vec<&Value> =
        policies["items"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert!(ids.contains(&&json!("own.freeze")) && ids.contains(&&json!("root.policy.work")));
    act(&people.erin, &made, "activate").await.problem(409, "conflict");
    review(&people.frank, &made, "no").await.problem(409, "conflict");

    denied(&act(&admin, &before, "rollback").await, &["root.policy.fresh-mfa"]);
    let back = act(&people.carol, &before, "rollback").await.expect(200);
    assert_eq!((&back["state"], &back["id"]), (&json!("active"), &before["id"]));
    ask(&robot).await.expect(201);
    let left = people.dave.get(&path(&made)).await.expect(200);
    assert_eq!(left["state"], "retired");

    let log = "/api/v1/audit-events?target_id=";
    let told = admin.get(&format!("{log}{}", made["id"].as_str().unwrap())).await.expect(200);
    let events: Vec<&Value> =
        told["items"].as_array().unwrap().iter().map(|it| &it["entry"]["event"]).collect();
    for event in ["policy.review", "policy.activate"] {
        assert!(events.contains(&&json!(event)), "{event}: {events:?}");
    }
}

#[tokio::test]
async fn a_bundle_decides_once_others_have_read_it_and_until_it_is_rolled_back() {
    walk(setup(Setup::new()).start()).await;
}

#[tokio::test]
async fn the_same_on_postgres() {
    walk(setup(Setup::on_postgres()).start()).await;
}

#[tokio::test]
async fn what_was_checked_against_another_bundle_is_checked_again_first() {
    let gate = setup(Setup::new()).start();
    let people = People::on(&gate).await;
    let first = people.draft(FREEZE).await;
    let second = people.draft(&FREEZE.replace("during", "in")).await;
    people.carry(&first).await;
    for it in [&people.carol, &people.frank] {
        review(it, &second, "yes").await.expect(200);
    }
    let stale = act(&people.erin, &second, "activate").await.problem(409, "conflict");
    assert!(stale["detail"].as_str().unwrap().contains("check it again"), "{stale}");
    let checked = act(&people.dave, &second, "check").await.expect(200);
    assert_eq!(checked["checked_against"], first["digest"]);
    act(&people.erin, &second, "activate").await.problem(403, "denied");
    for it in [&people.carol, &people.frank] {
        review(it, &second, "yes").await.expect(200);
    }
    act(&people.erin, &second, "activate").await.expect(200);
    assert_eq!(active(&people.dave).await["id"], second["id"]);
}

#[tokio::test]
async fn as_many_reviews_as_are_named_are_enough() {
    let gate = setup(Setup::new()).start();
    let people = People::on(&gate).await;
    let drafted = people.draft(FREEZE).await;
    let refused = act(&people.erin, &drafted, "activate").await.problem(403, "denied");
    let fix = &refused["fix"][0];
    assert_eq!((&fix["kind"], refused["fix"].as_array().unwrap().len()), (&json!("review"), 1));
    let reviews = fix["value"]["reviews"].as_u64().unwrap();
    assert_eq!(reviews, 2, "{refused}");
    review(&people.carol, &drafted, "yes").await.expect(200);
    let refused = act(&people.erin, &drafted, "activate").await.problem(403, "denied");
    assert_eq!(refused["fix"][0]["value"], json!({ "reviews": 1 }), "{refused}");
    review(&people.frank, &drafted, "no").await.expect(200);
    let refused = act(&people.erin, &drafted, "activate").await.problem(403, "denied");
    assert_eq!(refused["fix"][0]["value"], json!({ "reviews": 1 }), "{refused}");
    review(&people.frank, &drafted, "yes").await.expect(200);
    act(&people.erin, &drafted, "activate").await.expect(200);
}
