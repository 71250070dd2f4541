//! Machines: a secret is good where it was used first; elsewhere it takes a key.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::{BLOCKED, ELSEWHERE, HOME, Place, entry, setup};
use crate::harness::holder::ASSERTION_TYPE;
use crate::harness::{Answer, Caller, Gate, Holder, Setup, send};

/// Registers a machine, which has not been seen yet.
async fn machine(gate: &Gate, name: &str, keys: Option<Value>) -> Value {
    let mut body = json!({ "name": name, "role": "agent" });
    if let Some(keys) = keys {
        body["jwks"] = keys;
    }
    gate.admin().await.post("/api/v1/register/machine", &body).await.expect(201)
}

async fn ask(gate: &Gate, from: Place, form: &[(&str, &str)]) -> Answer {
    let form = [&[("grant_type", "client_credentials")], form].concat();
    let request = from.from(gate.anyone().request(Method::POST, "/oauth/token"));
    send(request.form(&form)).await
}

async fn by_secret(gate: &Gate, from: Place, machine: &Value) -> Answer {
    let text = |key: &str| machine[key].as_str().unwrap();
    let form = [("client_id", text("client_id")), ("client_secret", text("client_secret"))];
    ask(gate, from, &form).await
}

/// A refusal that says how the machine was rated.
#[track_caller]
fn assert_denied(answer: &Answer, why: &str) {
    let body = answer.expect(400);
    assert_eq!(body["error"], "unauthorized_client", "{body}");
    assert!(body["error_description"].as_str().unwrap().ends_with(why), "{body}");
}

#[tokio::test]
async fn a_secret_is_good_where_it_was_used_first() {
    for setup in [setup(), setup_on_postgres()] {
        let mut gate = setup.start();
        let robot = machine(&gate, "robot", None).await;
        let first = by_secret(&gate, HOME.with("robot/1.0"), &robot).await.expect(200);
        assert_eq!(first["risk"], "low");
        let written = entry(&gate, "action=auth.token").await;
        assert_eq!(written["facts"]["risk_reasons"], json!(["first_use"]));
        gate.restart();
        for _ in 0..2 {
            let updated = by_secret(&gate, HOME.with("robot/2.3.1"), &robot).await.expect(200);
            assert_eq!(updated["risk"], "low");
            let stolen = by_secret(&gate, ELSEWHERE.with("robot/1.0"), &robot).await;
            assert_denied(&stolen, "(risk medium: new_address)");
            let stolen = by_secret(&gate, HOME.with("curl/8.5.0"), &robot).await;
            assert_denied(&stolen, "(risk medium: new_user_agent)");
        }
        let written = entry(&gate, "action=auth.token&outcome=denied").await;
        assert_eq!(written["reasons"], json!(["guard.risk.medium.agent"]));
    }
}

fn setup_on_postgres() -> Setup {
    setup().with("database.url", &crate::harness::postgres::fresh_database())
}

#[tokio::test]
async fn scopes_that_a_risky_machine_asks_for_are_not_what_is_wrong() {
    let gate = setup().start();
    let robot = machine(&gate, "robot", None).await;
    by_secret(&gate, HOME, &robot).await.expect(200);
    let text = |key: &str| robot[key].as_str().unwrap();
    let form = [
        ("client_id", text("client_id")),
        ("client_secret", text("client_secret")),
        ("scope", "agent:calc"),
    ];
    assert_denied(&ask(&gate, ELSEWHERE, &form).await, "(risk medium: new_address)");
    assert_eq!(ask(&gate, HOME, &form).await.expect(200)["scope"], "agent:calc");
}

#[tokio::test]
async fn a_machine_that_signs_becomes_known_wherever_it_is() {
    let gate = setup().start();
    let holder = Holder::ed25519(1);
    let robot = machine(&gate, "robot", Some(holder.jwks("one"))).await;
    let id = robot["client_id"].as_str().unwrap();
    let signed = async |from| {
        let assertion = holder.assertion(&gate.url, id, "one", &json!({}));
        let form =
            [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion.as_str())];
        ask(&gate, from, &form).await
    };
    by_secret(&gate, HOME, &robot).await.expect(200);
    assert_denied(&by_secret(&gate, ELSEWHERE, &robot).await, "(risk medium: new_address)");
    let answer = signed(ELSEWHERE).await.expect(200);
    assert_eq!(answer["risk"], "medium");
    let token = Caller::new(&gate.url, answer["access_token"].as_str());
    token.get("/api/v1/auth/me").await.expect(200);
    assert_eq!(signed(ELSEWHERE).await.expect(200)["risk"], "low");
    assert_eq!(by_secret(&gate, ELSEWHERE, &robot).await.expect(200)["risk"], "low");
}

#[tokio::test]
async fn from_a_blocked_network_no_machine_gets_a_token() {
    let gate = setup().start();
    let holder = Holder::ed25519(1);
    let robot = machine(&gate, "robot", Some(holder.jwks("one"))).await;
    let blocked = by_secret(&gate, BLOCKED, &robot).await.problem(403, "risk_blocked");
    assert_eq!(blocked["risk_reasons"][0], "blocked_network");
    let id = robot["client_id"].as_str().unwrap();
    let assertion = holder.assertion(&gate.url, id, "one", &json!({}));
    let form =
        [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion.as_str())];
    ask(&gate, BLOCKED, &form).await.problem(403, "risk_blocked");
    // It was no first use: nobody was let in.
    let first = by_secret(&gate, HOME, &robot).await.expect(200);
    assert_eq!(first["risk"], "low");
}

#[tokio::test]
async fn of_many_first_uses_at_once_one_is_the_first() {
    let addresses: Vec<String> = (1..=24).map(|n| format!("192.0.2.{n}")).collect();
    for setup in [setup(), setup_on_postgres()] {
        let gate = setup.start();
        let robot = machine(&gate, "robot", None).await;
        let text = |key: &str| robot[key].as_str().unwrap();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", text("client_id")),
            ("client_secret", text("client_secret")),
        ];
        let ask = |from: &str| {
            let request = gate.anyone().request(Method::POST, "/oauth/token");
            send(request.header("x-forwarded-for", from).form(&form))
        };
        let answers = join_all(addresses.iter().map(|it| ask(it))).await;
        let let_in = answers.iter().filter(|it| it.status == 200).count();
        assert_eq!(let_in, 1, "{answers:?}");
        let refused = answers.iter().filter(|it| [400, 409].contains(&it.status.as_u16())).count();
        assert_eq!(refused, addresses.len() - 1, "{answers:?}");
        let again = join_all(addresses.iter().map(|it| ask(it))).await;
        let let_in: Vec<bool> = again.iter().map(|it| it.status == 200).collect();
        let first: Vec<bool> = answers.iter().map(|it| it.status == 200).collect();
        assert_eq!(let_in, first, "the first address is the one that is known");
    }
}

#[tokio::test]
async fn nobody_chooses_the_address_that_is_rated() {
    // Without a proxy in front, or with another one than the operator listed, the header is noise.
    let strangers = setup().with("risk.trusted_proxies", "198.51.100.0/24");
    for setup in [Setup::new(), strangers] {
        let gate = setup.start();
        let robot = machine(&gate, "robot", None).await;
        by_secret(&gate, HOME, &robot).await.expect(200);
        by_secret(&gate, BLOCKED, &robot).await.expect(200);
        let known = by_secret(&gate, ELSEWHERE, &robot).await.expect(200);
        assert_eq!(known["risk"], "low");
        let written = entry(&gate, "action=auth.token").await;
        assert_eq!(written["request"]["ip"], "127.0.0.1");
    }
    // Behind one, what counts is the hop that the proxy saw, whatever stands left of it.
    let gate = setup().start();
    let robot = machine(&gate, "robot", None).await;
    by_secret(&gate, HOME, &robot).await.expect(200);
    let from = |address| Place { address, ..HOME };
    for spoofed in ["192.0.2.1, 198.51.100.7", "192.0.2.1, 192.0.2.1, 198.51.100.7"] {
        let answer = by_secret(&gate, from(spoofed), &robot).await;
        assert_denied(&answer, "(risk medium: new_address)");
    }
    for honest in ["203.0.113.66, 192.0.2.1", "nonsense, 192.0.2.1, 127.0.0.1"] {
        assert_eq!(by_secret(&gate, from(honest), &robot).await.expect(200)["risk"], "low");
    }
}
