//! Mandates themselves: who gives, sees and revokes them, and what they may say.

use serde_json::{Value, json};

use super::World;
use crate::harness::{Caller, Gate, samples};

fn path(user: &str) -> String {
    format!("/api/v1/users/{user}/mandates")
}

#[tokio::test]
async fn a_mandate_is_given_seen_and_revoked_by_its_user() {
    let it = World::new().await;
    let given = it.mandate(json!({})).await;
    let one = format!("/api/v1/mandates/{}", given["id"].as_str().unwrap());
    assert_eq!((&given["user"], &given["agent"]), (&json!(it.user), &json!(it.id(0))));
    assert_eq!((&given["state"], &given["max_depth"]), (&json!("given"), &json!(3)));
    assert_eq!(it.uma.get(&one).await.expect(200), given);

    let planner = it.gate.machine(&it.agents[0]).await;
    let intruder = it.gate.machine(&it.agents[3]).await;
    let gus = it.gate.user("gus", "user").await;
    for sees in [&it.uma, &planner, &it.admin] {
        assert_eq!(sees.get(&one).await.expect(200), given);
        assert_eq!(sees.get(&path(&it.user)).await.expect(200)["items"], json!([given]));
    }
    for sees_not in [&gus, &intruder] {
        sees_not.get(&one).await.problem(404, "not_found");
        sees_not.delete(&one).await.problem(404, "not_found");
        assert_eq!(sees_not.get(&path(&it.user)).await.expect(200)["items"], json!([]));
    }
    planner.delete(&one).await.problem(403, "denied");
    it.uma.delete(&one).await.expect(204);
    it.uma.delete(&one).await.expect(204);
    let revoked = it.uma.get(&one).await.expect(200);
    assert_eq!((&revoked["state"], &revoked["id"]), (&json!("revoked"), &given["id"]));
    assert_eq!(revoked["updated_at"], revoked["revoked_at"]);
}

#[tokio::test]
async fn giving_takes_a_fresh_factor_and_is_for_oneself() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let mut calc = samples::calculate("calc");
    calc["tags"] = json!(["calculators"]);
    admin.post("/api/v1/tools", &calc).await.expect(201);
    gate.agent("planner", "agent").await;
    let body = samples::mandate("planner", "calculators", &["evaluate"]);

    // Trusted on first use, and without a second factor.
    let denied = admin.post(&path(&admin.id().await), &body).await.problem(403, "denied");
    assert_eq!(denied["reasons"], json!(["delegation.give.fresh-mfa"]));
    assert_eq!(denied["fix"][0]["kind"], "mfa");

    let uma = gate.user_with_factor("uma", "user").await;
    let id = uma.id().await;
    let gus = gate.user_with_factor("gus", "user").await;
    gus.post(&path(&id), &body).await.problem(404, "not_found");
    assert_eq!(uma.get(&path(&id)).await.expect(200)["items"], json!([]), "nothing was given");
    uma.post(&path(&id), &body).await.expect(201);
}

/// The pointers of what is wrong with a mandate that is changed like this.
async fn faults(it: &World, caller: &Caller, change: Value) -> Vec<String> {
    let mut body = samples::mandate("planner", "calculators", &["evaluate"]);
    for (key, value) in change.as_object().unwrap() {
        body[key] = value.clone();
    }
    let problem = caller.post(&path(&it.user), &body).await.problem(422, "invalid");
    let errors = problem["errors"].as_array().unwrap().iter();
    errors.map(|it| it["pointer"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_a_mandate_cannot_say_is_a_fault_of_its_field() {
    let it = World::new().await;
    for (change, pointers) in [
        (json!({ "tools": "nonsense" }), vec!["/tools"]),
        (json!({ "scopes": [] }), vec!["/scopes"]),
        (json!({ "scopes": ["two words"] }), vec!["/scopes"]),
        (json!({ "max_depth": 0 }), vec!["/max_depth"]),
        (json!({ "max_depth": 4 }), vec!["/max_depth"]),
        (json!({ "expires_at": "2020-01-01T00:00:00Z" }), vec!["/expires_at"]),
        (json!({ "expires_at": "2120-01-01T00:00:00Z" }), vec!["/expires_at"]),
        (json!({ "not_before": "2120-01-01T00:00:00Z" }), vec!["/not_before"]),
        (json!({ "scopes": [], "max_depth": 9 }), vec!["/scopes", "/max_depth"]),
        (json!({ "expires_at": "tomorrow" }), vec!["/expires_at"]),
        (json!({ "forever": true }), vec!["/forever"]),
    ] {
        assert_eq!(faults(&it, &it.uma, change.clone()).await, pointers, "{change}");
    }
    let stranger = samples::mandate("nobody", "calculators", &["evaluate"]);
    it.uma.post(&path(&it.user), &stranger).await.problem(404, "not_found");
    assert_eq!(it.uma.get(&path(&it.user)).await.expect(200)["items"], json!([]));
}
