//! Several tools called at once, of which one waits for a person.

use serde_json::json;

use super::{Scene, decide};

#[tokio::test]
async fn an_action_that_waits_for_a_person_is_asked_again_with_the_approval() {
    let scene = Scene::new().await;
    let mut ask = json!({ "custom_actions": { "pay": { "amount": 5 }, "nowhere": {} } });
    let execute = "/api/v1/agent/execute";
    let said = scene.agent.post(execute, &ask).await.expect(200);
    let waits = &said["actions"]["pay"];
    assert_eq!(waits["status"], "awaiting", "{said}");
    assert_eq!(said["actions"]["nowhere"]["status"], "denied");
    assert_eq!(scene.upstream.calls(), 0);
    decide(&scene.erin, &waits["approval"], "approve").await.expect(200);

    ask["approvals"] = json!({ "pay": waits["approval"]["id"] });
    let said = scene.agent.post(execute, &ask).await.expect(200);
    assert_eq!(said["actions"]["pay"]["status"], "success", "{said}");
    assert_eq!(scene.upstream.calls(), 1);
    let again = scene.agent.post(execute, &ask).await.expect(200);
    assert_ne!(again["actions"]["pay"]["status"], "success", "{again}");
    assert_eq!(scene.upstream.calls(), 1, "an approval is used once");
    ask["approvals"] = json!({ "bay": waits["approval"]["id"] });
    let stray = scene.agent.post(execute, &ask).await.problem(422, "invalid");
    assert_eq!(stray["errors"][0]["pointer"], "/approvals/bay");
}
