//! Second factors: enrolled, proven, used up, lost.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::address::by_address;
use crate::harness::enrolled::{
    App, WORDS, confirm, enrol, enrolled, held, prove, register, sign_in, strict,
};
use crate::harness::{ADMIN, Answer, Caller, Gate, PASSWORD, Setup};

const FACTORS: &str = "/api/v1/auth/factors";

fn with(gate: &Gate, tokens: &Value) -> Caller {
    Caller::new(&gate.url, tokens["access_token"].as_str())
}

async fn elevate(caller: &Caller, otp: Option<&str>) -> Answer {
    caller.post("/api/v1/auth/elevate", &json!({ "password": WORDS, "otp": otp })).await
}

/// The newest entry of the audit about this event, but for the one who looks.
async fn entry(gate: &Gate, event: &str) -> Value {
    let path = format!("/api/v1/audit-events?action={event}");
    let found = gate.admin().await.get(&path).await.expect(200);
    let mut entries = found["items"].as_array().unwrap().iter().map(|it| &it["entry"]);
    entries.find(|it| it["actor"]["name"] != ADMIN).unwrap().clone()
}

#[tokio::test]
async fn whoever_has_no_factor_yet_can_only_enrol_one() {
    let gate = strict(Setup::new());
    register(&gate, "alice").await;
    let pair = json!({ "username": "alice", "password": WORDS });
    let pair = gate.anyone().post("/api/v1/auth/login", &pair).await.expect(200);
    let alice = with(&gate, &pair);
    alice.get("/api/v1/auth/me").await.problem(403, "denied");
    assert_eq!(pair["scopes"], json!([]));

    let given =
        alice.post("/api/v1/auth/factors/totp", &json!({ "name": "phone" })).await.expect(201);
    assert!(given["qr_svg"].as_str().unwrap().contains("<svg "));
    let uri = given["provisioning_uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/"), "{uri}");
    assert!(uri.contains(given["secret"].as_str().unwrap()), "{uri}");
    let app = App::scan(&given);
    let wrong = confirm(&alice, &given, &app.wrong_code()).await.problem(422, "invalid");
    assert_eq!(wrong["errors"][0]["pointer"], "/otp");
    assert_eq!(entry(&gate, "factor.enroll").await["outcome"], "failed");
    let code = app.code();
    let confirmed = confirm(&alice, &given, &code).await.expect(200);
    assert_eq!(confirmed["recovery_codes"].as_array().unwrap().len(), 10);
    let written = entry(&gate, "factor.enroll").await;
    assert_eq!(
        (&written["actor"]["name"], &written["outcome"]),
        (&json!("alice"), &json!("success"))
    );
    assert_eq!(written["details"]["factor"], given["id"]);

    let me = with(&gate, &confirmed).get("/api/v1/auth/me").await.expect(200);
    assert_eq!(me["session"]["assurance_level"], 2);
    assert_ne!(me["session"]["second_factor_at"], Value::Null);
    assert_eq!(me["scopes"], json!(["read:profile", "read:public", "write:profile"]));
    alice.get("/api/v1/auth/me").await.problem(403, "denied");
    let refresh = json!({ "refresh_token": pair["refresh_token"] });
    let next = gate.anyone().post("/api/v1/auth/refresh", &refresh).await.expect(200);
    let me = with(&gate, &next).get("/api/v1/auth/me").await.expect(200);
    assert_eq!(me["scopes"], json!(["read:profile", "read:public", "write:profile"]));
    confirm(&alice, &given, &code).await.problem(403, "denied");
}

#[tokio::test]
async fn a_sign_in_waits_for_a_code_that_is_good_once() {
    let gate = strict(Setup::new());
    let alice = enrolled(&gate, "alice").await;
    let waiting = held(&gate.anyone(), "alice").await;
    assert_eq!(waiting["second_factors"], json!(["totp", "recovery_code"]));
    let other = held(&gate.anyone(), "alice").await;
    let replay = prove(&gate.anyone(), &waiting, &alice.used_code).await;
    replay.problem(401, "unauthenticated");
    assert_eq!(entry(&gate, "auth.mfa").await["details"]["reason"], "used_factor");
    let wrong = prove(&gate.anyone(), &waiting, &alice.app.wrong_code()).await;
    assert_eq!(wrong.json()["detail"], replay.json()["detail"]);
    assert_eq!(entry(&gate, "auth.mfa").await["details"]["reason"], "wrong_factor");

    let code = alice.app.next_code();
    let tokens = prove(&gate.anyone(), &waiting, &code).await.expect(200);
    let me = with(&gate, &tokens).get("/api/v1/auth/me").await.expect(200);
    assert_eq!(me["session"]["assurance_level"], 2);
    assert_eq!(entry(&gate, "auth.login").await["details"]["second_factor"], "totp");
    prove(&gate.anyone(), &other, &code).await.problem(401, "unauthenticated");
    let spent = prove(&gate.anyone(), &waiting, &alice.recovery_codes[0]).await;
    spent.problem(401, "unauthenticated");
    prove(&gate.anyone(), &other, &alice.recovery_codes[0]).await.expect(200);

    let listed = alice.caller.get(FACTORS).await.expect(200);
    assert_eq!(listed["recovery_codes_left"], 9);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&listed["items"][0]["kind"], &listed["items"][0]["state"]),
        (&json!("totp"), &json!("active"))
    );
    assert_ne!(listed["items"][0]["used_at"], Value::Null);
    assert!(!listed.to_string().contains("secret"), "{listed}");
}

#[tokio::test]
async fn a_code_may_come_with_the_password() {
    let gate = strict(Setup::new());
    let alice = enrolled(&gate, "alice").await;
    let login = |password: &'static str, otp: String| {
        let body = json!({ "username": "alice", "password": password, "otp": otp });
        let anyone = gate.anyone();
        async move { anyone.post("/api/v1/auth/login", &body).await }
    };
    login(WORDS, alice.app.wrong_code()).await.problem(401, "unauthenticated");
    let code = alice.app.next_code();
    login("not-the-password", code.clone()).await.problem(401, "unauthenticated");
    let tokens = login(WORDS, code.clone()).await.expect(200);
    with(&gate, &tokens).get("/api/v1/auth/me").await.expect(200);
    login(WORDS, code).await.problem(401, "unauthenticated");
    login(WORDS, alice.recovery_codes[3].to_uppercase()).await.expect(200);
    login(WORDS, alice.recovery_codes[3].clone()).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn removing_a_factor_needs_the_password_and_the_factor_again() {
    let gate = Gate::start();
    let alice = enrolled(&gate, "alice").await;
    let listed = alice.caller.get(FACTORS).await.expect(200);
    let path = format!("{FACTORS}/{}", listed["items"][0]["id"].as_str().unwrap());
    let denied = alice.caller.delete(&path).await.problem(403, "denied");
    assert_eq!(denied["reasons"], json!(["guard.destroy.elevated"]));
    let renew = format!("{FACTORS}/recovery-codes");
    alice.caller.act(&renew).await.problem(403, "denied");

    let asked = elevate(&alice.caller, None).await.problem(401, "mfa_required");
    assert_eq!(asked.get("mfa_token"), None, "the same request again will do");
    elevate(&alice.caller, Some(&alice.app.wrong_code())).await.problem(401, "unauthenticated");
    let elevated = elevate(&alice.caller, Some(&alice.app.next_code())).await.expect(200);
    assert_eq!(entry(&gate, "auth.elevate").await["details"]["second_factor"], "totp");
    let elevated = with(&gate, &elevated);
    let renewed = elevated.act(&renew).await.expect(200);
    let codes = renewed["recovery_codes"].as_array().unwrap();
    assert_eq!(codes.len(), 10);
    let old = elevate(&alice.caller, Some(&alice.recovery_codes[0])).await;
    old.problem(401, "unauthenticated");
    elevate(&alice.caller, codes[0].as_str()).await.expect(200);

    let admin = json!({ "password": PASSWORD });
    let admin = gate.admin().await.post("/api/v1/auth/elevate", &admin).await.expect(200);
    with(&gate, &admin).delete(&path).await.problem(404, "not_found");
    with(&gate, &admin).act(&renew).await.problem(409, "conflict");
    elevated.delete(&path).await.expect(204);
    elevated.delete(&path).await.problem(404, "not_found");
    let listed = alice.caller.get(FACTORS).await.expect(200);
    assert_eq!(listed, json!({ "items": [], "recovery_codes_left": 0 }));
    elevate(&alice.caller, None).await.expect(200);
}

#[tokio::test]
async fn another_factor_needs_a_fresh_proof_of_the_one_that_is_there() {
    let gate = Gate::start();
    register(&gate, "alice").await;
    let stolen = sign_in(&gate, "alice").await;
    let alice = enrol(&gate, &sign_in(&gate, "alice").await).await;
    let begin = format!("{FACTORS}/totp");
    stolen.post(&begin, &json!({})).await.problem(403, "denied");
    let second = alice.caller.post(&begin, &json!({})).await.expect(201);
    let app = App::scan(&second);
    confirm(&stolen, &second, &app.code()).await.problem(403, "denied");
    let confirmed = confirm(&alice.caller, &second, &app.code()).await.expect(200);
    assert_eq!(confirmed["recovery_codes"], json!([]), "the first set still holds");
    let elevated = elevate(&stolen, Some(&app.next_code())).await.expect(200);
    with(&gate, &elevated).post(&begin, &json!({})).await.expect(201);
}

#[tokio::test]
async fn what_is_not_pending_for_the_caller_is_not_confirmed() {
    let gate = Gate::start();
    register(&gate, "alice").await;
    register(&gate, "bob").await;
    let (alice, bob) = (sign_in(&gate, "alice").await, sign_in(&gate, "bob").await);
    let begin = format!("{FACTORS}/totp");
    let first = alice.post(&begin, &json!({})).await.expect(201);
    let second = alice.post(&begin, &json!({})).await.expect(201);
    let code = |given: &Value| App::scan(given).code();
    confirm(&alice, &first, &code(&first)).await.problem(404, "not_found");
    confirm(&bob, &second, &code(&second)).await.problem(404, "not_found");
    confirm(&alice, &json!({ "id": "nonsense" }), "123456").await.problem(404, "not_found");
    for otp in ["", "12345", "abcdef", "0000-0000-0000-0000"] {
        confirm(&alice, &second, otp).await.problem(422, "invalid");
    }
    confirm(&alice, &second, &code(&second)).await.expect(200);
    let (_, agent) = gate.agent("reckoner", "agent").await;
    agent.post(&begin, &json!({})).await.problem(403, "denied");
    assert_eq!(agent.get(FACTORS).await.expect(200)["items"], json!([]));
}

/// 64 sign-ins that wait are shown one proof at the same time.
async fn race(gate: &Gate, otp: &str) {
    let anyone = gate.anyone();
    let mut waiting = Vec::new();
    while waiting.len() < 64 {
        waiting.extend(join_all((0..8).map(|_| held(&anyone, "alice"))).await);
    }
    let tries = join_all(waiting.iter().map(|it| prove(&anyone, it, otp))).await;
    let (good, bad): (Vec<_>, Vec<_>) = tries.iter().partition(|it| it.status == 200);
    assert_eq!(good.len(), 1);
    bad.iter().for_each(|it| drop(it.problem(401, "unauthenticated")));
}

#[tokio::test]
async fn of_64_who_use_one_code_at_once_one_gets_in() {
    let gate = strict(Setup::new());
    let alice = enrolled(&gate, "alice").await;
    race(&gate, &alice.app.next_code()).await;
}

#[tokio::test]
async fn of_64_who_use_one_recovery_code_at_once_one_gets_in() {
    let gate = strict(Setup::on_postgres());
    let alice = enrolled(&gate, "alice").await;
    race(&gate, &alice.recovery_codes[7]).await;
    assert_eq!(alice.caller.get(FACTORS).await.expect(200)["recovery_codes_left"], 9);
}

#[tokio::test]
async fn the_host_recovers_whoever_lost_every_factor() {
    let mut gate = strict(Setup::new().with("public_url", "http://gate.example"));
    by_address(&mut gate);
    let alice = enrolled(&gate, "alice").await;
    let tokens =
        prove(&gate.anyone(), &held(&gate.anyone(), "alice").await, &alice.app.next_code())
            .await
            .expect(200);
    let recover =
        |name: &str| gate.command(&["user", "recover", "--username", name]).output().unwrap();
    let unknown = recover("nobody");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("`nobody`"), "{unknown:?}");
    let done = recover("ALICE");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let refresh = json!({ "refresh_token": tokens["refresh_token"] });
    let ended = gate.anyone().post("/api/v1/auth/refresh", &refresh).await;
    ended.problem(401, "unauthenticated");
    let recovered = sign_in(&gate, "alice").await;
    let given = recovered.post("/api/v1/auth/factors/totp", &json!({})).await.expect(201);
    let app = App::scan(&given);
    let confirmed = confirm(&recovered, &given, &app.code()).await.expect(200);
    assert_eq!(confirmed["recovery_codes"].as_array().unwrap().len(), 10);
    let written = entry(&gate, "system.recover_user").await;
    assert_eq!(written["details"]["username"], "alice");
    gate.restart();
    by_address(&mut gate);
    let before = with(&gate, &tokens);
    before.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_server_with_another_key_does_not_start_on_sealed_factors() {
    let mut gate = Gate::start();
    enrolled(&gate, "alice").await;
    gate.stop();
    let key = gate.folder.path().join("factors.key");
    std::fs::remove_file(&key).unwrap();
    let refused = gate.command(&["serve"]).output().unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("factors.key"), "{said}");
    let recovered = gate.command(&["user", "recover", "--username", "alice"]).output().unwrap();
    assert!(recovered.status.success(), "{recovered:?}");
    gate.restart();
    sign_in(&gate, "alice").await;
}
