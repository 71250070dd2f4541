//! Who may ask, whose word counts, and that an answer is what would be decided.

use serde_json::{Value, json};

use crate::harness::{Caller, Gate, samples};

const EVALUATION: &str = "/access/v1/evaluation";

#[expect(clippy::needless_pass_by_value, reason = "tests write values in place")]
fn asked(subject: (&str, &str), action: Value, tool: &str) -> Value {
    json!({
        "subject": { "type": subject.0, "id": subject.1 },
        "action": action,
        "resource": { "type": "tool", "id": tool },
    })
}

fn credential() -> Value {
    json!({ "name": "request_credential" })
}

async fn answer(by: &Caller, body: &Value) -> Value {
    by.post(EVALUATION, body).await.expect(200)
}

/// The newest entry of the audit about this event.
async fn newest(gate: &Gate, event: &str) -> Value {
    let admin = gate.admin().await;
    let path = format!("/api/v1/audit-events?action={event}&page_size=1");
    admin.get(&path).await.expect(200)["items"][0]["entry"].clone()
}

#[tokio::test]
async fn an_answer_is_what_would_be_decided() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let tool = admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    let (agent, bot) = gate.agent("reckoner", "agent").await;
    let id = agent["client_id"].as_str().unwrap();
    for (kind, name) in [("agent", "reckoner"), ("agent", id), ("identity", id)] {
        for tool in ["calc", tool["id"].as_str().unwrap()] {
            let told = answer(&bot, &asked((kind, name), credential(), tool)).await;
            assert_eq!(told["decision"], true, "{told}");
            assert_eq!(told["context"]["policies"], json!(["use.low-risk"]));
        }
    }
    let long = json!({ "name": "request_credential", "properties": { "ttl_seconds": 7200 } });
    let told = answer(&bot, &asked(("agent", "reckoner"), long, "calc")).await;
    assert_eq!(told["decision"], false);
    assert!(told["context"]["reason"].as_str().unwrap().contains("1 hour"), "{told}");
    let path = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
    let refused = bot.post(&path, &json!({ "scopes": ["evaluate"], "ttl_seconds": 7200 })).await;
    let reasons = refused.problem(403, "denied")["reasons"].clone();
    assert_eq!(told["context"]["policies"], reasons);

    // Function tools are never invoked, and a suspended agent does nothing.
    let told =
        answer(&bot, &asked(("agent", "reckoner"), json!({ "name": "invoke" }), "calc")).await;
    assert_eq!(
        (&told["decision"], &told["context"]["code"]),
        (&json!(false), &json!("not_applicable"))
    );
    admin.act(&format!("/api/v1/agents/{id}/suspend")).await.expect(200);
    let told = answer(&admin, &asked(("agent", "reckoner"), credential(), "calc")).await;
    assert_eq!(told["context"]["policies"][0], "guard.principal.active.agent", "{told}");
}

#[tokio::test]
async fn asking_uses_nothing_up_and_is_written_down() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    let (_, bot) = gate.agent("reckoner", "agent").await;
    let body = asked(("agent", "reckoner"), credential(), "calc");
    for _ in 0..70 {
        assert_eq!(answer(&bot, &body).await["decision"], true);
    }
    let entry = newest(&gate, "access.query").await;
    assert_eq!(
        (&entry["decision"], &entry["details"]["answered"]),
        (&json!("allow"), &json!(true))
    );
    let told = &entry["details"]["asked"];
    assert_eq!(
        (&told["subject"]["id"], &told["action"]),
        (&json!("reckoner"), &json!("request_credential"))
    );
    assert_eq!(told["resource"], json!({ "type": "tool", "id": "calc" }));
}

#[tokio::test]
async fn only_those_may_ask_whom_policy_lets() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    let alice = gate.user("alice", "tool_publisher").await;
    let mallory = gate.user("mallory", "user").await;
    gate.agent("foreign", "agent").await;
    let auditor = gate.user("ada", "auditor").await;
    gate.agent_of(&alice, "hers", "agent").await;
    let (_, edge) = gate.agent_of(&alice, "edge", "mcp_server").await;
    alice.post("/api/v1/tools", &samples::calculate("her_calc")).await.expect(201);

    let about = |who: (&str, &str)| asked(who, credential(), "calc");
    for (by, who) in [
        (&alice, ("user", "alice")),
        (&alice, ("agent", "hers")),
        (&auditor, ("agent", "foreign")),
        (&admin, ("user", "mallory")),
        (&edge, ("agent", "edge")),
    ] {
        assert!(answer(by, &about(who)).await["decision"].is_boolean());
    }
    // Who may not ask is not told whether there is such a one.
    let mut refusals = Vec::new();
    for who in [("agent", "foreign"), ("agent", "nobody"), ("agent", "hers")] {
        let mut told = mallory.post(EVALUATION, &about(who)).await.problem(403, "denied");
        for own in ["decision_id", "instance"] {
            told.as_object_mut().unwrap().remove(own);
        }
        refusals.push(told);
    }
    assert!(refusals.iter().all(|it| *it == refusals[0]), "{refusals:?}");
    edge.post(EVALUATION, &about(("user", "mallory"))).await.problem(403, "denied");
    let own = asked(("agent", "foreign"), credential(), "her_calc");
    assert_eq!(answer(&edge, &own).await["decision"], true, "it asks about its owner's tool");

    let told = answer(&admin, &about(("agent", "nobody"))).await;
    assert_eq!(told["context"]["code"], "unknown_subject");
    let told = answer(&admin, &asked(("user", "alice"), json!({ "name": "fly" }), "calc")).await;
    assert_eq!(told["context"]["code"], "unknown_action");
    let told = answer(&admin, &asked(("spaceship", "x"), credential(), "calc")).await;
    assert_eq!(
        (&told["decision"], &told["context"]["code"]),
        (&json!(false), &json!("unknown_subject"))
    );
}

#[tokio::test]
async fn what_one_may_not_see_is_as_good_as_not_there() {
    let gate = Gate::start();
    let alice = gate.user("alice", "tool_publisher").await;
    let tool = alice.post("/api/v1/tools", &samples::calculate("hidden")).await.expect(201);
    let path = format!("/api/v1/tools/{}/deactivate", tool["id"].as_str().unwrap());
    alice.act(&path).await.expect(200);
    let mallory = gate.user("mallory", "user").await;
    let of = |tool: &str| asked(("user", "mallory"), credential(), tool);
    let hidden = answer(&mallory, &of("hidden")).await;
    assert_eq!(hidden, answer(&mallory, &of("nothing")).await);
    assert_eq!(hidden["context"]["code"], "unknown_resource");
}

#[tokio::test]
async fn properties_count_only_from_those_whom_policy_trusts() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let mut tool = samples::calculate("risky");
    tool["risk_level"] = json!("high");
    tool["required_scopes"] = json!([]);
    admin.post("/api/v1/tools", &tool).await.expect(201);
    let uma = gate.user("uma", "user").await;
    let mut body = asked(("user", "uma"), credential(), "risky");
    body["subject"]["properties"] = json!({ "role": "admin" });
    body["resource"]["properties"] = json!({ "risk": "low" });
    body["context"] = json!({ "time": "2030-01-01T00:00:00Z", "mood": "good" });
    let told = answer(&uma, &body).await;
    assert_eq!(told["decision"], false, "{told}");
    assert_eq!(
        told["context"]["ignored"],
        json!([
            "/context/mood",
            "/context/time",
            "/resource/properties/risk",
            "/subject/properties/role"
        ])
    );
    let told = answer(&admin, &body).await;
    assert_eq!(told["context"]["ignored"], json!(["/context/mood"]));
    body["resource"]["properties"] = json!({});
    body["subject"]["properties"] = json!({});
    let plain = answer(&admin, &body).await;
    assert_ne!(plain["context"]["policies"], told["context"]["policies"], "{plain}");
}

#[tokio::test]
async fn several_questions_end_as_they_are_asked_to() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    let (_, bot) = gate.agent("reckoner", "agent").await;
    let (yes, no) = (json!({ "name": "view_tool" }), json!({ "name": "fly" }));
    let run = async |semantic: &str, actions: [&Value; 3]| -> Vec<Value> {
        let mut body = asked(("agent", "reckoner"), yes.clone(), "calc");
        body["options"] = json!({ "evaluations_semantic": semantic });
        body["evaluations"] = actions.iter().map(|it| json!({ "action": it })).collect();
        let told = bot.post("/access/v1/evaluations", &body).await.expect(200);
        told["evaluations"].as_array().unwrap().iter().map(|it| it["decision"].clone()).collect()
    };
    assert_eq!(run("execute_all", [&yes, &no, &yes]).await, [true, false, true]);
    assert_eq!(run("deny_on_first_deny", [&yes, &no, &yes]).await, [true, false]);
    assert_eq!(run("permit_on_first_permit", [&no, &yes, &no]).await, [false, true]);
    assert_eq!(run("permit_on_first_permit", [&no, &no, &no]).await, [false, false, false]);
    let entry = newest(&gate, "access.query").await;
    assert_eq!(entry["details"]["answered"], json!([false, false, false]));

    let mut body = asked(("agent", "reckoner"), yes.clone(), "calc");
    body["options"] = json!({ "evaluations_semantic": "guess" });
    body["evaluations"] = json!([{}]);
    bot.post("/access/v1/evaluations", &body).await.problem(400, "malformed");
    body["options"] = json!({});
    body["evaluations"] =
        json!([{}, { "subject": { "type": "user", "id": "admin" } }, { "resource": "x" }]);
    let told = bot.post("/access/v1/evaluations", &body).await.expect(200);
    assert_eq!(told["evaluations"][0]["decision"], true);
    assert_eq!(told["evaluations"][1]["context"]["error"]["status"], 403, "{told}");
    assert_eq!(told["evaluations"][2]["context"]["error"]["status"], 400);
    body["evaluations"] = (0..101).map(|_| json!({})).collect();
    bot.post("/access/v1/evaluations", &body).await.problem(400, "malformed");
}
