//! From the refusal to the one call that a yes is good for.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Scene, decide, path, with};
use crate::harness::{Answer, Setup, samples, send};

#[tokio::test]
async fn an_agent_asks_a_person_says_yes_and_the_call_is_made_once() {
    for settings in [Setup::new(), Setup::on_postgres()] {
        let it = Scene::on(settings).await;
        let arguments = json!({ "to": "bob\u{202e}", "amount": 5 });
        let ask = json!({ "arguments": arguments });
        let answer = it.call(&ask).await;
        let waiting = answer.expect(202);
        let asked = &waiting["approval"];
        assert_eq!(answer.headers["location"], path(asked));
        assert!(answer.headers.contains_key("retry-after"));
        assert_eq!(asked["state"], "pending");
        assert_eq!(asked["arguments"], json!({ "to": "bob\\u{202e}", "amount": 5 }));
        assert_eq!(asked["requested_by"]["name"], "lingua");
        assert_eq!(asked["policies"][0]["id"], "hitl.agent.approval");
        assert!(asked["policies"][0]["title"].as_str().unwrap().contains("approval"));
        assert_eq!((&asked["risk_level"], &asked["tool"]["name"]), (&json!("high"), &json!("pay")));

        let again = it.call(&ask).await.expect(202);
        assert_eq!(again["approval"]["id"], asked["id"], "the same request is asked about once");
        let waits = it.call(&with(asked, &arguments)).await.expect(202);
        assert_eq!(waits["approval"]["id"], asked["id"]);
        let other = it.ask(&json!({ "amount": 6 })).await;
        assert_ne!(other["id"], asked["id"]);

        lists(&it, asked, &other).await;
        let reason = json!({ "reason": "It is Bob's birthday" });
        let yes = it.erin.post(&format!("{}/approve", path(asked)), &reason).await.expect(200);
        assert_eq!(
            (&yes["state"], &yes["decided_by"]),
            (&json!("approved"), &json!(it.erin.id().await))
        );
        let seen = it.agent.get(&path(asked)).await.expect(200);
        assert_eq!(seen["reason"], "It is Bob's birthday");
        let without = it.call(&ask).await.expect(202);
        assert_eq!(without["approval"]["state"], "approved", "it waits to be named");
        assert_eq!(it.upstream.calls(), 0);

        let called = it.call(&with(asked, &arguments)).await.expect(200);
        assert_eq!(it.upstream.calls(), 1);
        let used = it.agent.get(&path(asked)).await.expect(200);
        assert_eq!(
            (&used["state"], &used["call_id"]),
            (&json!("consumed"), &called["decision_id"])
        );
        let problem = it.call(&with(asked, &arguments)).await.problem(409, "conflict");
        assert!(problem["detail"].as_str().unwrap().contains("consumed"), "{problem}");
        assert_eq!(it.upstream.calls(), 1);
        written_down(&it, asked, &waiting, &called).await;
    }
}

/// Lists show what policy lets be seen, by state and by tool.
async fn lists(it: &Scene, asked: &Value, other: &Value) {
    decide(&it.erin, other, "deny").await.expect(200);
    let ids = async |query: &str| -> Vec<Value> {
        let page = it.erin.get(&format!("/api/v1/approvals{query}")).await.expect(200);
        page["items"].as_array().unwrap().iter().map(|it| it["id"].clone()).collect()
    };
    let (first, second) = (asked["id"].clone(), other["id"].clone());
    assert_eq!(ids("").await, [second.clone(), first.clone()]);
    let one = std::slice::from_ref;
    assert_eq!(ids("?state=pending").await, one(&first));
    assert_eq!(ids("?state=rejected").await, one(&second));
    assert_eq!(ids("?page_size=1").await, one(&second));
    let tool = it.tool["id"].as_str().unwrap();
    assert_eq!(ids(&format!("?tool={tool}")).await, [second, first]);
    assert!(ids("?tool=019aa111-0000-7000-8000-000000000000").await.is_empty());
    it.erin.get("/api/v1/approvals?state=maybe").await.problem(422, "invalid");
    let (_, stranger) = it.gate.agent("stranger", "translator").await;
    let page = stranger.get("/api/v1/approvals").await.expect(200);
    assert_eq!(page["items"], json!([]));
    stranger.get(&path(asked)).await.problem(404, "not_found");
}

/// The audit says who asked for what, who said yes, and what came of it.
async fn written_down(it: &Scene, asked: &Value, waiting: &Value, called: &Value) {
    let entry = async |event: &str| -> Value {
        let found =
            format!("/api/v1/audit-events?action={event}&q={}", asked["id"].as_str().unwrap());
        let found = it.admin.get(&found).await.expect(200);
        found["items"].as_array().unwrap().last().unwrap()["entry"].clone()
    };
    let request = entry("approval.request").await;
    assert_eq!(request["actor"]["name"], "lingua");
    assert_eq!(request["details"]["refusal"], waiting["decision_id"]);
    let decided = entry("approval.decide").await;
    assert_eq!(
        (&decided["actor"]["name"], &decided["outcome"]),
        (&json!("erin"), &json!("success"))
    );
    assert_eq!(decided["details"]["digest"], asked["digest"]);
    let allowed =
        format!("/api/v1/audit-events?decision_id={}", called["decision_id"].as_str().unwrap());
    let allowed = it.admin.get(&allowed).await.expect(200)["items"][0]["entry"].clone();
    let told = &allowed["facts"]["particulars"]["approval"];
    assert_eq!((&told["id"], &told["state"]), (&asked["id"], &json!("approved")), "{allowed}");
}

#[tokio::test]
async fn of_many_parallel_uses_one_is_made() {
    for settings in [Setup::new(), Setup::on_postgres()] {
        let it = Scene::on(settings).await;
        let arguments = json!({ "amount": 1 });
        let approval = it.approved(&arguments).await;
        let body = with(&approval, &arguments);
        // No more than ten uses of such a tool in a minute are allowed at all: what is refused for
        // that is not counted here.
        let answers = join_all((0..64).map(|_| it.call(&body))).await;
        assert_eq!(it.upstream.calls(), 1);
        let of = |status: u16| answers.iter().filter(|it| it.status == status).count();
        assert_eq!(of(200), 1);
        assert_eq!(of(200) + of(409) + of(429) + of(403), 64, "{answers:?}");
    }
}

#[tokio::test]
async fn a_yes_is_good_for_exactly_what_was_asked() {
    let it = Scene::new().await;
    let arguments = json!({ "amount": 1, "to": "bob" });
    let approval = it.approved(&arguments).await;
    for altered in [
        json!({ "amount": 2, "to": "bob" }),
        json!({ "amount": 1 }),
        json!({ "amount": 1, "to": "bob", "cc": "eve" }),
    ] {
        let problem = it.call(&with(&approval, &altered)).await.problem(409, "conflict");
        assert!(problem["detail"].as_str().unwrap().contains("another call"), "{problem}");
    }
    // Another agent has its own requests.
    let (_, other) = it.gate.agent("poly", "translator").await;
    let invoke = format!("{}/invoke", it.tool_path());
    let problem = other.post(&invoke, &with(&approval, &arguments)).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/approval_id");
    let unknown = json!({ "id": "019aa111-0000-7000-8000-000000000000" });
    it.call(&with(&unknown, &arguments)).await.problem(422, "invalid");

    // The same yes does not hold for another tool, nor for this one once it is another.
    let endpoint = json!({ "endpoint": it.upstream.url("/elsewhere") });
    it.admin.patch(&it.tool_path(), &endpoint).await.expect(200);
    let problem = it.call(&with(&approval, &arguments)).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("another call"), "{problem}");
    let fresh = it.approved(&arguments).await;
    it.admin.act(&format!("{}/deactivate", it.tool_path())).await.expect(200);
    it.call(&with(&fresh, &arguments)).await.problem(404, "not_found");
    assert_eq!(it.upstream.calls(), 0);
    // What the order of members is, and how numbers are written, changes nothing.
    it.admin.act(&format!("{}/activate", it.tool_path())).await.expect(200);
    let body =
        format!(r#"{{"approval_id":{},"arguments":{{"to":"bob","amount":1}}}}"#, fresh["id"]);
    let request = it.agent.request(Method::POST, &invoke).body(body);
    send(request.header("content-type", "application/json")).await.expect(200);
    assert_eq!(it.upstream.calls(), 1);
}

#[tokio::test]
async fn a_no_is_told_and_holds_for_a_while() {
    let it = Scene::new().await;
    let arguments = json!({ "amount": 1 });
    let asked = it.ask(&arguments).await;
    let reason = json!({ "reason": "Not before payday" });
    it.erin.post(&format!("{}/deny", path(&asked)), &reason).await.expect(200);
    let problem = it.call(&json!({ "arguments": arguments })).await.problem(403, "denied");
    assert!(problem["detail"].as_str().unwrap().contains("Not before payday"), "{problem}");
    let problem = it.call(&with(&asked, &arguments)).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("rejected"), "{problem}");
    decide(&it.erin, &asked, "approve").await.problem(409, "conflict");
    for reason in ["x".repeat(501), "a\u{1b}b".into()] {
        let asked = it.ask(&json!({ "amount": 2 })).await;
        let body = json!({ "reason": reason });
        let answer = it.erin.post(&format!("{}/deny", path(&asked)), &body).await;
        answer.problem(422, "invalid");
    }
    assert_eq!(it.upstream.calls(), 0);
}

#[tokio::test]
async fn a_used_yes_gives_its_answer_again_to_the_same_key() {
    let it = Scene::new().await;
    let arguments = json!({ "amount": 1 });
    let approval = it.approved(&arguments).await;
    let invoke = format!("{}/invoke", it.tool_path());
    let keyed = async |key: &str, arguments: &Value| -> Answer {
        let request = it.agent.request(Method::POST, &invoke).json(&with(&approval, arguments));
        send(request.header("idempotency-key", key)).await
    };
    let first = keyed("k1", &arguments).await.expect(200);
    assert_eq!(keyed("k1", &arguments).await.expect(200), first);
    keyed("k1", &json!({ "amount": 2 })).await.problem(409, "conflict");
    keyed("k2", &arguments).await.problem(409, "conflict");
    assert_eq!(it.upstream.calls(), 1);
    // Whoever may not call it any more is told nothing of it, either.
    let path =
        format!("/api/v1/agents/{}/roles/translator", it.asks["client_id"].as_str().unwrap());
    it.admin.delete(&path).await.expect(200);
    keyed("k1", &arguments).await.problem(403, "denied");
}

#[tokio::test]
async fn whoever_lacks_more_is_told_all_of_it_and_nobody_is_asked() {
    let it = Scene::new().await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", it.asks["client_id"].as_str().unwrap()),
        ("client_secret", it.asks["client_secret"].as_str().unwrap()),
        ("scope", "agent:calc"),
    ];
    let roles = format!("/api/v1/agents/{}/roles/agent", it.asks["client_id"].as_str().unwrap());
    it.admin.put(&roles).await.expect(200);
    let tokens = it.gate.anyone().form("/oauth/token", &form).await.expect(200);
    let narrow = crate::harness::Caller::new(&it.gate.url, tokens["access_token"].as_str());
    let invoke = format!("{}/invoke", it.tool_path());
    let problem = narrow.post(&invoke, &json!({ "arguments": {} })).await.problem(403, "denied");
    let kinds: Vec<_> = problem["fix"].as_array().unwrap().iter().map(|it| &it["kind"]).collect();
    assert!(kinds.contains(&&json!("approval")) && kinds.contains(&&json!("scopes")), "{problem}");
    let page = it.erin.get("/api/v1/approvals").await.expect(200);
    assert_eq!(page["items"], json!([]));
}

#[tokio::test]
async fn of_several_actions_one_waits_and_the_others_are_done() {
    let it = Scene::new().await;
    let mut plain = samples::risky("plain", &it.upstream.url("/plain"));
    plain["risk_level"] = json!("low");
    it.admin.post("/api/v1/tools", &plain).await.expect(201);
    let execute = "/api/v1/agent/execute";
    let actions = json!({ "pay": { "amount": 1 }, "plain": {} });
    let body = json!({ "custom_actions": actions });
    let done = it.agent.post(execute, &body).await.expect(200)["actions"].clone();
    assert_eq!(done["plain"]["status"], "success", "{done}");
    assert_eq!(done["pay"]["status"], "awaiting", "{done}");
    let approval = &done["pay"]["approval"];
    decide(&it.erin, approval, "approve").await.expect(200);
    let approvals = json!({ "pay": approval["id"] });
    let body = json!({ "custom_actions": { "pay": { "amount": 1 } }, "approvals": approvals });
    let done = it.agent.post(execute, &body).await.expect(200)["actions"].clone();
    assert_eq!(done["pay"]["status"], "success", "{done}");
    assert_eq!(it.upstream.calls(), 2);
    let stray = json!({ "custom_actions": { "plain": {} }, "approvals": approvals });
    let problem = it.agent.post(execute, &stray).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/approvals/pay");
}
