//! People: a second factor where they are new, and none where they are known.

use reqwest::Method;
use serde_json::{Value, json};

use super::{BLOCKED, ELSEWHERE, HOME, Place, assert_rated, entry, login, post, setup};
use crate::harness::enrolled::{WORDS, enrolled};
use crate::harness::{ADMIN, Answer, Caller, Gate, PASSWORD, postgres, send};

const ME: &str = "/api/v1/auth/me";

fn with(gate: &Gate, tokens: &Value) -> Caller {
    Caller::new(&gate.url, tokens["access_token"].as_str())
}

async fn prove(gate: &Gate, from: Place, waiting: &Value, otp: &str) -> Answer {
    let body = json!({ "mfa_token": waiting["mfa_token"], "otp": otp });
    post(&gate.anyone(), from, "/api/v1/auth/mfa", &body).await
}

async fn refresh(gate: &Gate, from: Place, tokens: &Value) -> Answer {
    let body = json!({ "refresh_token": tokens["refresh_token"] });
    post(&gate.anyone(), from, "/api/v1/auth/refresh", &body).await
}

/// A user whose first sign-in, which is to come, is trusted.
async fn vouched(gate: &Gate, name: &str) {
    let body = json!({ "username": name, "password": WORDS });
    let user = gate.admin().await.post("/api/v1/users", &body).await.expect(201);
    gate.vouch(user["id"].as_str().unwrap()).await;
}

#[tokio::test]
async fn a_second_factor_makes_a_place_known() {
    for mut gate in
        [setup().start(), setup().with("database.url", &postgres::fresh_database()).start()]
    {
        let alice = enrolled(&gate, "alice").await;
        let waiting = login(&gate, HOME, "alice", WORDS).await.problem(401, "mfa_required");
        assert_rated(&waiting, "medium", &["new_address", "new_user_agent"]);
        let again = login(&gate, HOME, "alice", WORDS).await.problem(401, "mfa_required");
        assert_rated(&again, "medium", &["new_address", "new_user_agent"]);
        let tokens = prove(&gate, HOME, &waiting, &alice.app.next_code()).await.expect(200);
        assert_rated(&tokens, "medium", &["new_address", "new_user_agent"]);
        with(&gate, &tokens).get(ME).await.expect(200);

        gate.restart();
        let updated = HOME.with("Firefox/133.0.1");
        let known = login(&gate, updated, "alice", WORDS).await.expect(200);
        assert_rated(&known, "low", &["known"]);
        with(&gate, &known).get(ME).await.expect(200);
        for (from, reasons) in [
            (HOME.with("curl/8.5.0"), &["new_user_agent"][..]),
            (ELSEWHERE, &["new_address"]),
            (ELSEWHERE.with("Lynx/2.9"), &["new_address", "new_user_agent"]),
        ] {
            let waiting = login(&gate, from, "alice", WORDS).await.problem(401, "mfa_required");
            assert_rated(&waiting, "medium", reasons);
        }
    }
}

#[tokio::test]
async fn whoever_is_new_and_has_no_factor_can_only_enrol_one() {
    let gate = setup().start();
    let body = json!({ "username": "alice", "password": WORDS });
    gate.admin().await.post("/api/v1/users", &body).await.expect(201);
    for _ in 0..2 {
        // Never let in with more than a password, the place does not become known.
        let tokens = login(&gate, HOME, "alice", WORDS).await.expect(200);
        assert_rated(&tokens, "medium", &["new_address", "new_user_agent"]);
        let alice = with(&gate, &tokens);
        let denied = alice.get(ME).await.problem(403, "denied");
        assert_eq!(denied["reasons"], json!(["guard.risk.medium"]));
        assert_eq!(denied["fix"][0]["kind"], "mfa");
        alice.get("/api/v1/tools").await.expect(200);
        alice.post("/api/v1/auth/factors/totp", &json!({})).await.expect(201);
        alice.act("/api/v1/auth/logout").await.expect(204);
    }
}

#[tokio::test]
async fn the_first_administrator_is_trusted_once() {
    let gate = setup().start();
    let tokens = login(&gate, HOME, ADMIN, PASSWORD).await.expect(200);
    assert_rated(&tokens, "low", &["first_use"]);
    let admin = with(&gate, &tokens);
    let of = async |filter: &str| {
        let path = format!("/api/v1/audit-events?{filter}");
        let request = admin.request(Method::GET, &path);
        send(HOME.from(request)).await.expect(200)["items"][0]["entry"].clone()
    };
    let trusted = of("action=auth.login").await;
    assert_eq!(trusted["facts"]["risk"], "low");
    assert_eq!(trusted["facts"]["risk_reasons"], json!(["first_use"]));
    assert_eq!(of("action=system.seed_admin").await["details"]["first_use"], "trusted");
    let tokens = login(&gate, HOME, ADMIN, PASSWORD).await.expect(200);
    assert_rated(&tokens, "low", &["known"]);
    let tokens = login(&gate, ELSEWHERE, ADMIN, PASSWORD).await.expect(200);
    assert_rated(&tokens, "medium", &["new_address"]);
    with(&gate, &tokens).get(ME).await.problem(403, "denied");
}

#[tokio::test]
async fn from_a_blocked_network_nobody_signs_in() {
    let gate = setup().start();
    let alice = enrolled(&gate, "alice").await;
    let blocked = login(&gate, BLOCKED, "alice", WORDS).await.problem(403, "risk_blocked");
    assert_rated(&blocked, "high", &["blocked_network", "new_address", "new_user_agent"]);
    assert_eq!(blocked["reasons"], json!(["guard.net.blocked", "guard.risk.high"]));
    let written = entry(&gate, "action=auth.login&outcome=denied").await;
    assert_eq!(written["id"], blocked["decision_id"]);
    assert_eq!(written["facts"]["risk"], "high");
    assert_eq!(written["facts"]["risk_reasons"], blocked["risk_reasons"]);

    // A wrong password is told from a right one nowhere.
    login(&gate, BLOCKED, "alice", "not-the-password").await.problem(401, "unauthenticated");
    let waiting = login(&gate, HOME, "alice", WORDS).await.problem(401, "mfa_required");
    let code = alice.app.next_code();
    prove(&gate, BLOCKED, &waiting, &code).await.problem(403, "risk_blocked");
    prove(&gate, HOME, &waiting, &code).await.expect(200);
}

#[tokio::test]
async fn a_refresh_is_rated_anew() {
    let gate = setup().start();
    vouched(&gate, "alice").await;
    let tokens = login(&gate, HOME, "alice", WORDS).await.expect(200);
    let tokens = refresh(&gate, HOME, &tokens).await.expect(200);
    assert_rated(&tokens, "low", &["known"]);
    with(&gate, &tokens).get(ME).await.expect(200);

    let blocked = refresh(&gate, BLOCKED, &tokens).await.problem(403, "risk_blocked");
    assert_rated(&blocked, "high", &["blocked_network", "new_address"]);
    // The token was not used up; used elsewhere, it is worth next to nothing, as often as it is.
    let mut tokens = tokens;
    for _ in 0..2 {
        tokens = refresh(&gate, ELSEWHERE, &tokens).await.expect(200);
        assert_rated(&tokens, "medium", &["new_address"]);
        with(&gate, &tokens).get(ME).await.problem(403, "denied");
        assert_eq!(tokens["scopes"], json!([]));
    }
    let tokens = refresh(&gate, HOME, &tokens).await.expect(200);
    assert_rated(&tokens, "low", &["known"]);
    with(&gate, &tokens).get(ME).await.expect(200);
}

#[tokio::test]
async fn a_factor_that_opened_a_session_does_not_vouch_for_where_it_goes() {
    let gate = setup().start();
    let alice = enrolled(&gate, "alice").await;
    let waiting = login(&gate, HOME, "alice", WORDS).await.problem(401, "mfa_required");
    let tokens = prove(&gate, HOME, &waiting, &alice.app.next_code()).await.expect(200);
    for _ in 0..2 {
        let elsewhere = refresh(&gate, ELSEWHERE, &tokens).await;
        match elsewhere.status.as_u16() {
            200 => assert_rated(&elsewhere.json(), "medium", &["new_address"]),
            _ => drop(elsewhere.problem(401, "unauthenticated")),
        }
    }
    let waiting = login(&gate, ELSEWHERE, "alice", WORDS).await.problem(401, "mfa_required");
    assert_rated(&waiting, "medium", &["new_address"]);
}

#[tokio::test]
async fn every_outcome_is_counted_with_its_risk() {
    let gate = setup().start();
    let alice = enrolled(&gate, "alice").await;
    let waiting = login(&gate, HOME, "alice", WORDS).await.problem(401, "mfa_required");
    let wrong = alice.app.wrong_code();
    prove(&gate, HOME, &waiting, &wrong).await.problem(401, "unauthenticated");
    prove(&gate, HOME, &waiting, &alice.app.next_code()).await.expect(200);
    login(&gate, HOME, "alice", WORDS).await.expect(200);
    login(&gate, BLOCKED, "alice", WORDS).await.problem(403, "risk_blocked");
    let figures = gate.anyone().get("/metrics").await.text;
    for (risk, outcome) in [
        ("medium", "held"),
        ("medium", "unproven"),
        ("medium", "opened"),
        ("low", "opened"),
        ("high", "denied"),
    ] {
        let series = format!("gatewright_sign_ins_total{{risk=\"{risk}\",outcome=\"{outcome}\"}} ");
        assert!(figures.contains(&series), "{series}\n{figures}");
    }
}
