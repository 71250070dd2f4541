//! One call: where its arguments go, what it is refused for, and how it fails.

use serde_json::json;

use super::{entries, registered, scene, setup, tool};
use crate::harness::{Upstream, samples};

#[tokio::test]
async fn an_agent_calls_a_tool_and_the_audit_says_what_came_of_it() {
    let (gate, upstream, admin, agent) = scene().await;
    let path = registered(
        &admin,
        &tool("orders", &upstream.url("/orders/{id}?v=1"), &json!({ "cost_per_call": 0.25 })),
    )
    .await;
    let ask = json!({ "arguments": { "id": "a/b", "amount": 3 } });
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = agent.request(reqwest::Method::POST, &path).json(&ask);
    let answer = crate::harness::send(request.header("traceparent", trace)).await.expect(200);
    assert_eq!((answer["cost"].as_f64(), answer["is_error"].as_bool()), (Some(0.25), Some(false)));
    assert_eq!(answer["usage"]["calls_today"], 1);
    let heard = &answer["result"]["body"];
    assert_eq!((&heard["method"], &heard["path"]), (&json!("POST"), &json!("/orders/a%2Fb?v=1")));
    assert_eq!(heard["body"], r#"{"amount":3}"#);
    assert_eq!(heard["headers"]["traceparent"], trace);
    // What the agent proves itself by is Gatewright's alone to see.
    assert_eq!(heard["headers"]["authorization"], json!(null), "{heard}");

    let decision = answer["decision_id"].as_str().unwrap();
    let [result] = &entries(&admin, decision).await[..] else { panic!("not one result") };
    assert_eq!(result["entry"]["outcome"], "success", "{result}");
    let found = admin.get(&format!("/api/v1/audit-events?decision_id={decision}")).await;
    let entry = &found.expect(200)["items"][0]["entry"];
    assert_eq!((&entry["event"], &entry["decision"]), (&json!("tool.invoke"), &json!("allow")));
    drop(gate);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_nothing_is_called() {
    let (gate, upstream, admin, agent) = scene().await;
    let path = registered(&admin, &tool("orders", &upstream.url("/"), &json!({}))).await;
    let ask = json!({ "arguments": { "id": 7, "other": 1 } });
    let problem = agent.post(&path, &ask).await.problem(422, "invalid");
    let pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().collect();
    assert!(pointers.iter().any(|it| it["pointer"] == "/arguments/id"), "{problem}");
    agent.post(&path, &json!({ "arguments": [1] })).await.problem(422, "invalid");
    agent.post(&path, &json!({})).await.problem(422, "invalid");

    let hidden = json!({ "required_scopes": ["agent:db_read"] });
    let hidden = registered(&admin, &tool("hidden", &upstream.url("/"), &hidden)).await;
    let off = hidden.replace("/invoke", "/deactivate");
    admin.act(&off).await.expect(200);
    // Not even that the arguments are wrong is told of what may not be seen.
    agent.post(&hidden, &ask).await.problem(404, "not_found");

    let function = registered(&admin, &samples::calculate("mine")).await;
    let problem = agent.post(&function, &json!({ "arguments": {} })).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("credential"), "{problem}");
    let risky =
        registered(&admin, &tool("risky", &upstream.url("/"), &json!({ "risk_level": "high" })))
            .await;
    agent.post(&risky, &json!({ "arguments": {} })).await.problem(403, "denied");
    let person = gate.user("uma", "user").await;
    person.post(&path, &json!({ "arguments": {} })).await.problem(403, "denied");
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn a_person_confirms_what_has_consequences() {
    let (_gate, upstream, admin, _) = scene().await;
    let pay = json!({ "consequential": true, "required_scopes": [] });
    let path = registered(&admin, &tool("pay", &upstream.url("/"), &pay)).await;
    let ask = json!({ "arguments": { "amount": 1 } });
    let problem = admin.post(&path, &ask).await.problem(403, "denied");
    assert_eq!(problem["fix"][0]["kind"], "confirm", "{problem}");
    let ask = json!({ "arguments": { "amount": 1 }, "confirm_consequential": true });
    admin.post(&path, &ask).await.expect(200);
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_tool_that_fails_is_told_as_its_own_kind_and_counts() {
    let setup = setup().with("gateway.timeout_seconds", "1");
    let (gate, upstream) = (setup.start(), Upstream::open().await);
    let admin = gate.admin().await;
    let (_, agent) = gate.agent("lingua", "agent").await;
    let ask = json!({ "arguments": {} });
    let table = [
        ("/status/500", 502, "upstream_refused"),
        ("/status/400", 502, "upstream_refused"),
        ("/moved", 502, "upstream_refused"),
        ("/binary", 502, "upstream_refused"),
        ("/big", 502, "upstream_too_large"),
        ("/never", 504, "upstream_timeout"),
    ];
    for (index, (at, status, code)) in table.into_iter().enumerate() {
        let path =
            registered(&admin, &tool(&format!("t{index}"), &upstream.url(at), &json!({}))).await;
        let problem = agent.post(&path, &ask).await.problem(status, code);
        if at.starts_with("/status") {
            assert_eq!(problem["upstream"]["why"], "so", "{problem}");
        }
    }
    let nobody = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let gone = json!({ "cost_per_call": 6 });
    let gone = registered(&admin, &tool("gone", &format!("http://{nobody}/"), &gone)).await;
    // Twice six dollars would be over the day's ten, but nothing was sent.
    for _ in 0..3 {
        agent.post(&gone, &ask).await.problem(502, "upstream_unreachable");
    }
    let failing = registered(&admin, &tool("bad", &upstream.url("/status/503"), &json!({}))).await;
    for _ in 0..20 {
        agent.post(&failing, &ask).await.problem(502, "upstream_refused");
    }
    agent.post(&failing, &ask).await.problem(502, "upstream_refused");
    let problem = agent.post(&failing, &ask).await.problem(429, "quota_exceeded");
    assert_eq!(problem["reasons"], json!(["limit.failures"]), "{problem}");
}

#[tokio::test]
async fn a_tool_is_not_called_where_it_must_not_be() {
    let (gate, upstream) = (crate::harness::Setup::new().start(), Upstream::open().await);
    let admin = gate.admin().await;
    let (_, agent) = gate.agent("lingua", "agent").await;
    let port = upstream.address.port();
    let spellings = [
        format!("http://127.0.0.1:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("https://2130706433:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        format!("https://localhost:{port}/"),
    ];
    for (index, endpoint) in spellings.iter().enumerate() {
        let path = registered(&admin, &tool(&format!("t{index}"), endpoint, &json!({}))).await;
        let problem = agent.post(&path, &json!({ "arguments": {} })).await;
        let problem = problem.problem(502, "upstream_unreachable");
        assert!(!problem.to_string().contains("127.0"), "{problem}");
    }
    assert_eq!(upstream.calls(), 0);
}
