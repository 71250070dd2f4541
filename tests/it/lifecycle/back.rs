//! Back to what was active: the last step at once, anything further by more people.

use serde_json::{Value, json};

use super::{FREEZE, People, act, active, denied, path, review, setup};
use crate::harness::{Caller, Gate, Setup};

const UNDO: &[&str] = &["root.policy.undo"];

/// A second bundle on top of what [`People::carry`] made active.
async fn carried(people: &People, text: &str) -> Value {
    let made = people.draft(text).await;
    people.carry(&made).await
}

async fn entry(by: &Caller, bundle: &Value) -> Value {
    let log = "/api/v1/audit-events?action=policy.rollback&target_id=";
    let told = by.get(&format!("{log}{}", bundle["id"].as_str().unwrap())).await.expect(200);
    let all = told["items"].as_array().unwrap().iter().map(|it| it["entry"].clone());
    all.into_iter().find(|it| it["decision"] == "allow").unwrap()
}

#[tokio::test]
async fn one_person_undoes_the_last_activation_and_no_more() {
    let gate: Gate = setup(Setup::new()).start();
    let people = People::on(&gate).await;
    let (carol, erin) = (&people.carol, &people.erin);
    let first = active(carol).await;
    let second = carried(&people, FREEZE).await;
    let third = carried(&people, &FREEZE.replace("during", "in")).await;

    let far = act(carol, &first, "rollback").await.problem(409, "conflict");
    assert!(far["detail"].as_str().unwrap().contains("check it again"), "{far}");
    act(carol, &first, "check").await.expect(200);
    denied(&act(carol, &first, "rollback").await, UNDO);

    let back = act(carol, &second, "rollback").await.expect(200);
    assert_eq!((&back["state"], &back["id"]), (&json!("active"), &second["id"]));
    assert_eq!(
        back["checked_against"], third["digest"],
        "compared with what it takes the place of"
    );
    assert_ne!(back["report"]["comparison"]["status"], "skipped", "{back}");
    let told = entry(&gate.admin().await, &second).await;
    assert_eq!(told["details"]["undoes_last"], true, "{told}");
    assert_eq!(told["details"]["widens"], back["widens"], "{told}");
    assert!(told["details"]["comparison"]["status"].is_string(), "{told}");

    // What was undone does not come back by one person either, nor by what was said of it before.
    denied(&act(erin, &third, "rollback").await, UNDO);

    // Further back takes what a change takes that allows more.
    let checked = act(carol, &first, "check").await.expect(200);
    assert_eq!(
        (&checked["state"], &checked["checked_against"]),
        (&json!("retired"), &second["digest"])
    );
    for it in [&people.dave, &people.frank] {
        review(it, &first, "yes").await.expect(200);
    }
    denied(&act(&people.dave, &first, "rollback").await, UNDO);
    review(erin, &first, "no").await.expect(200);
    denied(&act(carol, &first, "rollback").await, UNDO);
    review(erin, &first, "none").await.expect(200);
    act(carol, &first, "rollback").await.expect(200);
    assert_eq!(active(erin).await["id"], first["id"]);
    assert_eq!(people.dave.get(&path(&second)).await.expect(200)["state"], "retired");
}
