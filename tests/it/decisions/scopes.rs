//! What a credential may carry, and what a caller's token must hold.

use serde_json::{Value, json};

use super::{CREDENTIALS, ask, denied, entry, tool};
use crate::harness::{Answer, Caller, Gate};

async fn ask_for(caller: &Caller, scopes: &[&str]) -> Answer {
    caller.post(CREDENTIALS, &json!({ "tool": "calc", "scopes": scopes })).await
}

/// A token of a registered agent that holds these scopes.
async fn narrowed(gate: &Gate, agent: &Value, scope: &str) -> Caller {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", agent["client_id"].as_str().unwrap()),
        ("client_secret", agent["client_secret"].as_str().unwrap()),
        ("scope", scope),
    ];
    let answer = gate.anyone().form("/oauth/token", &form).await.expect(200);
    Caller::new(&gate.url, answer["access_token"].as_str())
}

#[tokio::test]
async fn a_credential_carries_what_the_tool_offers() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    tool(&admin, "calc", json!({ "scopes": ["evaluate", "plot"] })).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    let refused = ask_for(&robot, &["delete", "evaluate", "plot"]).await;
    let detail = denied(&refused, &["guard.scope.tool"], &["scopes"]);
    assert_eq!(detail, "ask only for evaluate, plot");
    let followed = ask_for(&robot, &["evaluate", "plot"]).await.expect(201);
    assert_eq!(followed["credential"]["scopes"], json!(["evaluate", "plot"]));

    for scopes in [&[][..], &["delete"], &["Evaluate"], &["agent:calc"]] {
        denied(&ask_for(&robot, scopes).await, &["guard.scope.tool"], &[]);
    }
    for scopes in [&["two words"][..], &[""], &["\"); allow if true"]] {
        let refused = ask_for(&robot, scopes).await.problem(422, "invalid");
        assert_eq!(refused["errors"][0]["pointer"], "/scopes");
    }
}

#[tokio::test]
async fn a_token_must_hold_what_the_tool_requires() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    tool(&admin, "calc", json!({ "required_scopes": ["agent:calc"] })).await;
    let (agent, robot) = gate.agent("robot", "agent").await;
    ask(&robot, "calc").await.expect(201);
    let narrow = narrowed(&gate, &agent, "read:context").await;
    let refused = ask(&narrow, "calc").await;
    let detail = denied(&refused, &["guard.scope.token"], &["scopes"]);
    assert_eq!(detail, "use an access token that holds agent:calc");
    let written = entry(&admin, &refused).await;
    assert_eq!(written["facts"]["token_scopes"], json!(["read:context"]));
    assert_eq!(written["outcome"], "denied");
    ask(&narrowed(&gate, &agent, "agent:calc").await, "calc").await.expect(201);

    let greedy = ask_for(&narrow, &["delete", "evaluate"]).await;
    let detail = denied(&greedy, &["guard.scope.token", "guard.scope.tool"], &["scopes"]);
    assert_eq!(
        detail, "use an access token that holds agent:calc, and ask only for evaluate",
        "one fix says both"
    );
    let body = json!({ "tool": "calc", "scopes": ["evaluate"], "ttl_seconds": 7200 });
    let refused = narrow.post(CREDENTIALS, &body).await;
    let reasons = ["guard.scope.token", "guard.ttl.global", "guard.ttl.tool"];
    denied(&refused, &reasons, &["scopes", "ttl"]);
}

#[tokio::test]
async fn a_fix_that_is_out_of_reach_is_not_offered() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    tool(&admin, "calc", json!({ "required_scopes": ["agent:calc"] })).await;
    tool(&admin, "shell", json!({ "required_scopes": ["agent:code_exec"] })).await;
    // No policy lets a person hold `agent:calc`, nor a machine that is not attested the other.
    let plain = gate.user("paul", "user").await;
    denied(&ask(&plain, "calc").await, &["guard.scope.token"], &[]);
    let (_, robot) = gate.agent("robot", "agent").await;
    denied(&ask(&robot, "shell").await, &["guard.scope.token"], &[]);
}

#[tokio::test]
async fn without_a_permit_there_is_nothing_to_fix() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    tool(&admin, "calc", json!({ "risk_level": "medium" })).await;
    tool(&admin, "wire", json!({ "consequential": true })).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    let (_, guest) = gate.agent("guest", "guest").await;
    for refused in [ask(&robot, "calc").await, ask(&robot, "wire").await, ask(&guest, "calc").await]
    {
        denied(&refused, &[], &[]);
        assert_eq!(refused.json()["detail"], "no policy permits it");
    }
}
