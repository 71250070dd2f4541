//! Attacks that worked once.

use std::os::unix::fs::PermissionsExt as _;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::samples::calculate;
use crate::harness::{Caller, Gate, Setup, send};

async fn register(publisher: &Caller, tool: &Value) -> String {
    let tool = publisher.post("/api/v1/tools", tool).await.expect(201);
    format!("/api/v1/tools/{}", tool["id"].as_str().unwrap())
}

/// How many entries the audit has.
async fn entries(gate: &Gate) -> u64 {
    let note = gate.anyone().get("/api/v1/audit/checkpoint").await.text;
    note.lines().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_publisher_cannot_make_an_active_tool_critical() {
    let gate = Gate::start();
    let publisher = gate.user("pat", "tool_publisher").await;
    let tool = register(&publisher, &calculate("sly")).await;
    let risk = |level: &str| json!({ "risk_level": level });

    let changed = publisher.patch(&tool, &risk("medium")).await.expect(200);
    assert_eq!(changed["state"], "active", "that much the publisher may activate");
    let changed = publisher.patch(&tool, &risk("critical")).await.expect(200);
    assert_eq!(changed["state"], "draft", "an admin has to look at it first");
    publisher.act(&format!("{tool}/activate")).await.problem(403, "denied");
    gate.admin().await.act(&format!("{tool}/activate")).await.expect(200);
}

#[tokio::test]
async fn a_credential_does_not_fit_the_next_tool_of_its_name() {
    let gate = Gate::start();
    let publisher = gate.user("pat", "tool_publisher").await;
    let (_, agent) = gate.agent("bot", "agent").await;
    let tool = register(&publisher, &calculate("payments")).await;
    let ask = json!({ "scopes": ["evaluate"] });
    let vended = agent.post(&format!("{tool}/access"), &ask).await.expect(201);
    let id = &vended["credential"]["credential_id"];
    let revoked = async || gate.anyone().get("/api/v1/revocations").await.expect(200);

    publisher.patch(&tool, &json!({ "description": "still the same" })).await.expect(200);
    assert_eq!(revoked().await["credential_ids"], json!([]));
    publisher.patch(&tool, &json!({ "name": "other" })).await.expect(200);
    register(&publisher, &calculate("payments")).await;
    assert_eq!(revoked().await["credential_ids"], json!([id]));
}

#[tokio::test]
async fn sessions_from_before_a_suspension_stay_dead_after_it() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let user = gate.user("mallory", "user").await;
    let words = json!({ "username": "mallory", "password": "A-fine-pass-phrase-1" });
    let stolen = gate.anyone().post("/api/v1/auth/login", &words).await.expect(200);
    let id = user.get("/api/v1/auth/me").await.expect(200)["id"].as_str().unwrap().to_owned();
    let (registered, machine) = gate.agent("bot", "agent").await;
    for path in [
        format!("/api/v1/users/{id}"),
        format!("/api/v1/agents/{}", registered["client_id"].as_str().unwrap()),
    ] {
        admin.act(&format!("{path}/suspend")).await.expect(200);
        admin.act(&format!("{path}/resume")).await.expect(200);
    }

    user.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
    machine.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
    let refresh = json!({ "refresh_token": stolen["refresh_token"] });
    let answer = gate.anyone().post("/api/v1/auth/refresh", &refresh).await;
    answer.problem(401, "unauthenticated");
    let again = gate.sign_in("mallory", "A-fine-pass-phrase-1").await;
    let me = format!("/api/v1/users/{id}");
    admin.act(&format!("{me}/resume")).await.expect(200);
    again.get("/api/v1/auth/me").await.expect(200);
}

#[tokio::test]
async fn guessed_refresh_tokens_do_not_fill_the_disk() {
    let gate = Setup::new().with("rate_limits.login_ip", "3/minute").start();
    let before = entries(&gate).await;
    let mut told_to_wait = 0;
    for n in 0..20 {
        let body = json!({ "refresh_token": format!("gwr_{n}") });
        let answer = gate.anyone().post("/api/v1/auth/refresh", &body).await;
        told_to_wait += usize::from(answer.status == 429);
    }
    assert_eq!((told_to_wait, entries(&gate).await - before), (17, 3));
}

#[tokio::test]
async fn a_reused_refresh_token_ends_its_session_once_and_an_honest_one_is_never_limited() {
    let gate = Setup::new().with("rate_limits.login_ip", "4/minute").start();
    let words = json!({ "username": "admin", "password": "Adm1n-of-the-tests" });
    let login = gate.anyone().post("/api/v1/auth/login", &words).await.expect(200);
    let mut token = login["refresh_token"].clone();
    for _ in 0..10 {
        let body = json!({ "refresh_token": token });
        let pair = gate.anyone().post("/api/v1/auth/refresh", &body).await.expect(200);
        token = pair["refresh_token"].clone();
    }
    let before = entries(&gate).await;
    let used = json!({ "refresh_token": login["refresh_token"] });
    for _ in 0..3 {
        let answer = gate.anyone().post("/api/v1/auth/refresh", &used).await;
        answer.problem(401, "unauthenticated");
    }
    gate.anyone().post("/api/v1/auth/refresh", &used).await.problem(429, "too_many");
    assert_eq!(entries(&gate).await - before, 4, "three refusals and one end of the session");
    let body = json!({ "refresh_token": token });
    gate.anyone().post("/api/v1/auth/refresh", &body).await.problem(429, "too_many");
}

#[tokio::test]
async fn bytes_that_are_no_text_do_not_hide_the_address_that_a_proxy_names() {
    let gate = Setup::new()
        .with("risk.trust_proxy_headers", "true")
        .with("risk.trusted_proxies", "127.0.0.0/8")
        .start();
    let admin = gate.admin().await;
    for value in [&b"66.249.1.1"[..], &b"\xff, 66.249.1.1"[..]] {
        let request = admin.request(Method::GET, "/api/v1/auth/me");
        send(request.header("x-forwarded-for", value)).await.problem(403, "denied");
    }
}

#[tokio::test]
async fn no_request_is_worth_seconds_of_work_to_whoever_sends_it() {
    let gate = Gate::start();
    let guest = gate.user("guest", "guest").await;
    let ladder: serde_json::Map<String, Value> = (0..40)
        .map(|n| {
            let next = json!({ "$ref": format!("#/$defs/r{}", (n + 1) % 40) });
            let rung = json!({ "unevaluatedProperties": false, "allOf": [next, next] });
            (format!("r{n}"), rung)
        })
        .collect();
    let each = json!({ "unevaluatedItems": false, "$ref": "#" });
    let patterns: serde_json::Map<String, Value> = (0..200)
        .map(|n| (format!("p{n}"), json!({ "pattern": format!("(?:\\pL{{20}}){{8}}{n}") })))
        .collect();
    let wrong: serde_json::Map<String, Value> =
        (0..5000).map(|n| (format!("p{n}"), json!({ "type": "x" }))).collect();
    for schema in [
        json!({ "$defs": ladder, "$ref": "#/$defs/r0" }),
        json!({ "allOf": vec![each; 2000] }),
        json!({ "properties": patterns }),
        json!({ "pattern": "(?:\\pL{100}){5}" }),
        json!({ "properties": wrong }),
    ] {
        let mut tool = calculate("bomb");
        tool["input_schema"] = schema;
        let answer = guest.post("/api/v1/tools", &tool).await;
        answer.problem(422, "invalid");
        assert!(answer.text.len() < 16 * 1024, "{} bytes", answer.text.len());
    }
}

#[tokio::test]
async fn a_machine_cannot_ask_for_scopes_without_end() {
    let gate = Gate::start();
    let (registered, _) = gate.agent("bot", "agent").await;
    let scopes: Vec<String> = (0..30_000).map(|it| format!("s{it}")).collect();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", registered["client_id"].as_str().unwrap()),
        ("client_secret", registered["client_secret"].as_str().unwrap()),
        ("scope", &scopes.join(" ")),
    ];
    let answer = gate.anyone().form("/oauth/token", &form).await.expect(400);
    assert_eq!(answer["error"], "invalid_scope");
    assert!(answer["error_description"].as_str().unwrap().contains("64"), "{answer}");
}

#[tokio::test]
async fn a_credential_that_would_be_too_large_is_the_callers_fault() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let (_, agent) = gate.agent("bot", "agent").await;
    let tool = register(&admin, &calculate("calc")).await;
    let long = json!({ "pointer": "/text", "prefix": "x".repeat(9000) });
    let ask = json!({ "scopes": ["evaluate"], "constraints": [long] });
    agent.post(&format!("{tool}/access"), &ask).await.problem(422, "invalid");
}

#[tokio::test]
async fn others_on_the_host_cannot_read_the_store() {
    let gate = Gate::start();
    for name in ["gatewright.db", "gatewright.db-wal"] {
        let mode = std::fs::metadata(gate.folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}

#[tokio::test]
async fn a_publisher_makes_nobody_else_answer_for_its_agent() {
    let gate = Gate::start();
    let admin = gate.admin().await.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    let publisher = gate.user("publisher", "tool_publisher").await;
    let own = publisher.get("/api/v1/auth/me").await.expect(200)["id"].clone();
    let path = "/api/v1/register/machine";
    let body = json!({ "name": "puppet", "role": "agent", "owner": admin });
    let problem = publisher.post(path, &body).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/owner");
    let body = json!({ "name": "puppet", "role": "agent", "owner": own });
    assert_eq!(publisher.post(path, &body).await.expect(201)["owner"], own);
}

#[tokio::test]
async fn a_condition_that_no_call_could_meet_is_refused() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    register(&admin, &calculate("calc")).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    let ask = |pointer: &str| {
        let constraints = json!([{ "pointer": pointer, "at_most": 5 }]);
        json!({ "tool": "calc", "scopes": ["evaluate"], "constraints": constraints })
    };
    let problem = robot.post("/api/v1/credentials", &ask("amount")).await;
    let problem = problem.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/constraints/0/pointer");
    let vended = robot.post("/api/v1/credentials", &ask("/amount")).await.expect(201);
    let valid = async |amount: u32| {
        let token = &vended["credential"]["token"];
        let arguments = json!({ "amount": amount });
        let question =
            json!({ "token": token, "tool": "calc", "scope": "evaluate", "arguments": arguments });
        admin.post("/api/v1/credentials/validate", &question).await.expect(200)
    };
    assert_eq!(valid(5).await["valid"], true);
    assert_eq!(valid(6).await["reason"], "argument");
}
