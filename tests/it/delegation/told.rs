//! What an agent that acts for somebody is told would help, done by that user.

use serde_json::json;

use super::{MANDATE, World, vend};

#[tokio::test]
async fn the_mandate_that_is_named_is_given_and_helps() {
    let it = World::new().await;
    let narrow = it.mandate(json!({ "scopes": ["agent:llm", "evaluate"] })).await;
    let planner = it.first(&narrow).await;
    let refused = vend(&planner, json!({})).await.problem(403, "denied");
    let fixes = refused["fix"].as_array().unwrap();
    let kinds: Vec<&str> = fixes.iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["scopes", "mandate"], "{refused}");
    let (scope, wanted) = (&fixes[0]["value"]["token"][0], &fixes[1]["value"]);
    assert_eq!((scope.as_str(), &wanted["tools"]), (Some("agent:calc"), &json!("calculators")));
    // The old mandate gives no token that holds it, however it is asked for.
    let asked = [("scope", "agent:calc")];
    let by = (MANDATE, narrow["id"].as_str().unwrap());
    let again = it.exchange(0, by, &asked).await;
    assert!(again.status == 400 || !again.json()["scope"].as_str().unwrap().contains("agent:calc"));

    let given = it.mandate(wanted.clone()).await;
    let by = (MANDATE, given["id"].as_str().unwrap());
    let planner = it.caller(&it.exchange(0, by, &asked).await);
    vend(&planner, json!({})).await.expect(201);
}
