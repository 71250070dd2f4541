//! People signing in and out, and what becomes of their sessions.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::header;
use serde_json::{Value, json};

use crate::harness::server::{ADMIN, PASSWORD};
use crate::harness::{Answer, Caller, Gate, Setup, policies, send};

const WORDS: &str = "A-fine-pass-phrase-1";

async fn login(gate: &Gate, username: &str, password: &str) -> Answer {
    let body = json!({ "username": username, "password": password });
    gate.anyone().post("/api/v1/auth/login", &body).await
}

async fn refresh(gate: &Gate, pair: &Value) -> Answer {
    let body = json!({ "refresh_token": pair["refresh_token"] });
    gate.anyone().post("/api/v1/auth/refresh", &body).await
}

fn with(gate: &Gate, pair: &Value) -> Caller {
    Caller::new(&gate.url, pair["access_token"].as_str())
}

/// Registers a user whose first sign-in is trusted, and gives the id.
async fn register(gate: &Gate, admin: &Caller, username: &str) -> String {
    let body = json!({ "username": username, "password": WORDS });
    let user = admin.post("/api/v1/users", &body).await.expect(201);
    let id = user["id"].as_str().unwrap().to_owned();
    gate.vouch(&id).await;
    id
}

/// The audit's entries of one event, newest first.
async fn entries(admin: &Caller, filter: &str) -> Vec<Value> {
    let found = admin.get(&format!("/api/v1/audit-events?{filter}")).await.expect(200);
    found["items"].as_array().unwrap().iter().map(|it| it["entry"].clone()).collect()
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_look_the_same_and_leave_a_trace() {
    let gate = Gate::start();
    let wrong = login(&gate, ADMIN, "not-the-password").await;
    let unknown = login(&gate, "nobody-here", "not-the-password").await;
    let strip = |answer: &Answer| {
        let mut body = answer.problem(401, "unauthenticated");
        body["instance"].take();
        let mut headers = answer.headers.clone();
        headers.remove("x-request-id");
        headers.remove(header::DATE);
        (body, headers)
    };
    assert_eq!(strip(&wrong), strip(&unknown));

    let admin = gate.admin().await;
    let denied = entries(&admin, "action=auth.login&outcome=denied").await;
    let of = |answer: &Answer| {
        let id = answer.headers["x-request-id"].to_str().unwrap();
        let found = denied.iter().find(|it| it["request"]["id"] == id);
        found.unwrap_or_else(|| panic!("no entry of {id}")).clone()
    };
    assert_eq!(denied.len(), 2);
    assert_eq!(of(&wrong)["actor"]["name"], ADMIN);
    let unknown = of(&unknown);
    assert_eq!(unknown["actor"]["name"], "unknown");
    assert!(!unknown.to_string().contains("nobody-here"), "what was typed may be a password");
}

#[tokio::test]
async fn a_session_knows_who_it_is_until_it_is_ended() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let id = register(&gate, &admin, "Ada").await;
    let pair = login(&gate, "ADA", WORDS).await.expect(200);
    assert_eq!(pair["token_type"], "Bearer");
    let ada = with(&gate, &pair);
    let me = ada.get("/api/v1/auth/me").await.expect(200);
    assert_eq!((&me["id"], &me["name"], &me["kind"]), (&json!(id), &json!("Ada"), &json!("user")));
    assert_eq!(me["roles"], json!(["user"]));
    assert_eq!(me["scopes"], json!(["read:profile", "read:public", "write:profile"]));
    assert_eq!(me["session"]["reauthenticated_at"], Value::Null);

    let other = with(&gate, &login(&gate, "ada", WORDS).await.expect(200));
    ada.act("/api/v1/auth/logout").await.expect(204);
    ada.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
    refresh(&gate, &pair).await.problem(401, "unauthenticated");
    other.get("/api/v1/auth/me").await.expect(200);
}

#[tokio::test]
async fn an_ended_session_stays_ended_over_a_restart() {
    let mut gate = Setup::new().with("auth.audience", "gate").with("auth.issuer", "gate").start();
    let ended = gate.admin().await;
    let kept = gate.admin().await;
    ended.act("/api/v1/auth/logout").await.expect(204);
    gate.restart();
    let again = |it: Caller| Caller::new(&gate.url, it.token.as_deref());
    again(ended).get("/api/v1/auth/me").await.problem(401, "unauthenticated");
    again(kept).get("/api/v1/auth/me").await.expect(200);
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_reuse_ends_the_session() {
    let gate = Gate::start();
    let first = login(&gate, ADMIN, PASSWORD).await.expect(200);
    let second = refresh(&gate, &first).await.expect(200);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    with(&gate, &first).get("/api/v1/auth/me").await.expect(200);
    with(&gate, &second).get("/api/v1/auth/me").await.expect(200);

    refresh(&gate, &first).await.problem(401, "unauthenticated");
    for pair in [&first, &second] {
        with(&gate, pair).get("/api/v1/auth/me").await.problem(401, "unauthenticated");
        refresh(&gate, pair).await.problem(401, "unauthenticated");
    }
    let admin = gate.admin().await;
    let ended = &entries(&admin, "action=system.end_session").await[0];
    assert_eq!(ended["details"]["reason"], "refresh_token_reused");

    let made_up = json!({ "refresh_token": "gwr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" });
    refresh(&gate, &made_up).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn of_many_refreshes_at_once_one_succeeds_and_the_session_is_over() {
    for setup in [Setup::new(), Setup::on_postgres()] {
        let gate = setup.start();
        let first = login(&gate, ADMIN, PASSWORD).await.expect(200);
        let answers = join_all((0..64).map(|_| refresh(&gate, &first))).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 63), "the token was good once");
        for answer in lost {
            answer.problem(401, "unauthenticated");
        }
        // 63 others held a copy: whoever won is no more to be trusted than they are.
        for pair in [&first, &won[0].json()] {
            with(&gate, pair).get("/api/v1/auth/me").await.problem(401, "unauthenticated");
            refresh(&gate, pair).await.problem(401, "unauthenticated");
        }
    }
}

#[tokio::test]
async fn an_elevated_token_needs_the_password_and_says_so() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let path = "/api/v1/auth/elevate";
    admin.post(path, &json!({ "password": WORDS })).await.problem(401, "unauthenticated");
    let elevated = admin.post(path, &json!({ "password": PASSWORD })).await.expect(200);
    let strong = with(&gate, &elevated);
    let me = strong.get("/api/v1/auth/me").await.expect(200);
    let plain = admin.get("/api/v1/auth/me").await.expect(200);
    assert!(me["session"]["reauthenticated_at"].is_string(), "{me}");
    assert_eq!(me["session"]["id"], plain["session"]["id"]);
    assert_eq!(me["scopes"], plain["scopes"]);
    assert_eq!(plain["session"]["reauthenticated_at"], Value::Null);

    let (_, agent) = gate.agent("robot", "agent").await;
    agent.post(path, &json!({ "password": PASSWORD })).await.problem(401, "unauthenticated");
    let failed = entries(&admin, "action=auth.elevate&outcome=denied").await;
    let names: Vec<&Value> = failed.iter().map(|it| &it["actor"]["name"]).collect();
    assert_eq!(names, ["robot", ADMIN]);

    strong.act("/api/v1/auth/logout").await.expect(204);
    admin.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_suspended_user_is_refused_at_the_door_and_inside() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let id = register(&gate, &admin, "mallory").await;
    let tool = json!({
        "tool_type": "function", "name": "notes", "scopes": ["read"], "input_schema": {},
    });
    admin.post("/api/v1/tools", &tool).await.expect(201);
    let pair = login(&gate, "mallory", WORDS).await.expect(200);
    let mallory = with(&gate, &pair);
    let ask = json!({ "tool": "notes", "scopes": ["read"] });
    let vended = mallory.post("/api/v1/credentials", &ask).await.expect(201);

    admin.act(&format!("/api/v1/users/{id}/suspend")).await.expect(200);
    let denied = mallory.get("/api/v1/auth/me").await.problem(403, "denied");
    assert_eq!(denied["reasons"], json!(["guard.principal.active.user"]));
    assert_eq!(denied["fix"], json!([]));
    mallory.post("/api/v1/credentials", &ask).await.problem(404, "not_found");
    let listed = mallory.get("/api/v1/tools").await.expect(200);
    assert_eq!(listed["items"], json!([]));
    login(&gate, "mallory", WORDS).await.problem(403, "denied");
    refresh(&gate, &pair).await.problem(403, "denied");
    login(&gate, "mallory", "not-the-password").await.problem(401, "unauthenticated");
    let feed = gate.anyone().get("/api/v1/revocations").await.expect(200);
    assert_eq!(feed["credential_ids"], json!([vended["credential"]["credential_id"]]));

    admin.act(&format!("/api/v1/users/{id}/resume")).await.expect(200);
    let pair = login(&gate, "mallory", WORDS).await.expect(200);
    with(&gate, &pair).post("/api/v1/credentials", &ask).await.expect(201);
    let question = json!({
        "token": vended["credential"]["token"], "tool": "notes", "scope": "read",
    });
    let answer = admin.post("/api/v1/credentials/validate", &question).await.expect(200);
    assert_eq!(answer["reason"], "revoked", "a revocation is for good");
}

#[tokio::test]
async fn a_role_counts_from_the_next_request_on_and_no_longer() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let id = register(&gate, &admin, "olga").await;
    let pair = login(&gate, "olga", WORDS).await.expect(200);
    let olga = with(&gate, &pair);
    let role = format!("/api/v1/users/{id}/roles/auditor");
    for _ in 0..2 {
        olga.get("/api/v1/audit-events").await.problem(403, "denied");
        admin.put(&role).await.expect(200);
        olga.get("/api/v1/audit-events").await.expect(200);
        let user = admin.delete(&role).await.expect(200);
        assert_eq!(user["roles"], json!(["user"]));
    }
    // What a token holds is asked anew when it is: a lost role takes its scopes along.
    admin.delete(&format!("/api/v1/users/{id}/roles/user")).await.expect(200);
    let pair = refresh(&gate, &pair).await.expect(200);
    assert_eq!(pair["scopes"], json!([]));
}

#[tokio::test]
async fn a_stale_if_match_does_not_change_roles() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let id = register(&gate, &admin, "olga").await;
    let path = format!("/api/v1/users/{id}/roles/auditor");
    let seen = admin.get(&format!("/api/v1/users/{id}")).await.headers[header::ETAG].clone();
    let put = |tag: &header::HeaderValue| {
        let request = admin.request(reqwest::Method::PUT, &path);
        send(request.header(header::IF_MATCH, tag))
    };
    let changed = put(&seen).await;
    changed.expect(200);
    put(&seen).await.problem(412, "precondition_failed");
    put(&changed.headers[header::ETAG]).await.expect(200);
    let request = admin.request(reqwest::Method::DELETE, &path).header(header::IF_MATCH, &seen);
    send(request).await.problem(412, "precondition_failed");
}

#[tokio::test]
async fn nobody_registers_somebody_above_themselves() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let plain = gate.user("plain", "user").await;
    let body = |role: &str| json!({ "username": "newcomer", "password": WORDS, "role": role });
    for role in ["admin", "policy_admin", "approver"] {
        let denied = admin.post("/api/v1/users", &body(role)).await.problem(403, "denied");
        assert_eq!(denied["reasons"], json!(["root.role.power-roles"]), "{role}");
    }
    for role in ["admin", "auditor", "tool_publisher", "agent", "nonsense"] {
        plain.post("/api/v1/users", &body(role)).await.problem(403, "denied");
    }
    for role in ["admin", "auditor", "tool_publisher", "approver", "policy_admin"] {
        let body = json!({ "name": "robot", "role": role });
        admin.post("/api/v1/register/machine", &body).await.problem(403, "denied");
    }
    let own = admin.get("/api/v1/auth/me").await.expect(200)["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/users/{own}/roles/auditor");
    let denied = admin.put(&path).await.problem(403, "denied");
    assert_eq!(denied["reasons"], json!(["root.role.no-self-grant"]));
    let users = admin.get("/api/v1/users").await.expect(200);
    assert_eq!(users["items"].as_array().unwrap().len(), 2, "nobody came in");
    plain.post("/api/v1/users", &body("user")).await.expect(201);
}

#[tokio::test]
async fn weak_and_taken_names_and_passwords_are_refused() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    for (username, password, pointer) in [
        ("eve", "short", "/password"),
        ("eve", "aaaaaaaaaaaaaaaaaaaa", "/password"),
        ("evelyn", "evelyn-evelyn-1", "/password"),
        ("e", WORDS, "/username"),
        ("eve<script>", WORDS, "/username"),
    ] {
        let body = json!({ "username": username, "password": password });
        let problem = admin.post("/api/v1/users", &body).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert!(!problem.to_string().contains(password) || password == WORDS, "{problem}");
    }
    let body = json!({ "username": "e", "password": "short" });
    let problem = admin.post("/api/v1/users", &body).await.problem(422, "invalid");
    let pointers: BTreeSet<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(pointers, BTreeSet::from(["/password", "/username"]), "all faults at once");
    let body = json!({ "username": "ADMIN", "password": WORDS });
    admin.post("/api/v1/users", &body).await.problem(409, "conflict");
}

#[tokio::test]
async fn sign_ins_run_out_per_address_and_per_name() {
    let gate = Setup::new()
        .with("rate_limits.login_ip", "6/minute")
        .with("rate_limits.login_username", "3/hour")
        .start();
    for _ in 0..3 {
        login(&gate, "eve", "not-the-password").await.problem(401, "unauthenticated");
    }
    let seconds = |answer: &Answer| {
        answer.problem(429, "too_many");
        answer.headers[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap()
    };
    let wait = seconds(&login(&gate, "EVE", "not-the-password").await);
    assert!((600..=1201).contains(&wait), "3 an hour is one in 1200 s, not {wait}");
    login(&gate, ADMIN, PASSWORD).await.expect(200);
    login(&gate, ADMIN, PASSWORD).await.expect(200);
    let wait = seconds(&login(&gate, ADMIN, PASSWORD).await);
    assert!((1..=11).contains(&wait), "6 a minute is one in 10 s, not {wait}");
}

const GOVERNORS: &str = r#"
@id("own.governors") @title("Policy admins get in, and prove who they are")
permit (
  principal in Gatewright::Role::"policy_admin",
  action in [Gatewright::Action::"sign_in", Gatewright::Action::"elevate", Gatewright::Action::"enroll_factor"],
  resource
);
"#;

#[tokio::test]
async fn nobody_signs_in_where_no_policy_permits_it() {
    let setup = policies::own(Setup::new());
    policies::take(setup.folder.path(), "25-sessions.cedar");
    // Policy admins must always get in, or the server would not start.
    policies::put(setup.folder.path(), "25-governors.cedar", GOVERNORS);
    let gate = setup.start();
    let admin = gate.admin().await;
    let user = json!({ "username": "una", "password": PASSWORD });
    admin.post("/api/v1/users", &user).await.expect(201);
    let denied = login(&gate, "una", PASSWORD).await.problem(403, "denied");
    assert_eq!((&denied["reasons"], &denied["fix"]), (&json!([]), &json!([])));
}
