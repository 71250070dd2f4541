//! API keys: made, used, rotated, taken away.

use std::time::{Duration, Instant};

use gatewright::clock::Clock;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::harness::{Answer, Caller, Gate, PASSWORD, Setup, samples, send};

/// How long anything may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);
const KEYS: &str = "/api/v1/api-keys";
const ME: &str = "/api/v1/auth/me";

/// The administrator, with the password proven again.
async fn elevated(gate: &Gate) -> Caller {
    gate.admin().await.elevated(PASSWORD).await
}

/// A key of this agent, as it was shown.
async fn key_of(admin: &Caller, agent: &Value, scopes: &[&str]) -> Value {
    let body = json!({ "name": "ci", "principal": agent["client_id"], "scopes": scopes });
    admin.post(KEYS, &body).await.expect(201)
}

fn with(gate: &Gate, made: &Value) -> Caller {
    Caller::new(&gate.url, made["key"].as_str())
}

fn path(made: &Value) -> String {
    format!("{KEYS}/{}", made["id"].as_str().unwrap())
}

/// Asks until the answer has this status.
async fn until(caller: &Caller, status: u16) {
    let begun = Instant::now();
    while caller.get(ME).await.status.as_u16() != status {
        assert!(begun.elapsed() < DEADLINE, "waited for {status} in vain");
    }
}

/// What scanners do: the pattern that README.md publishes, and the checksum.
fn is_a_key(text: &str) -> bool {
    const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let pattern = text.strip_prefix("gwk_").is_some_and(|it| {
        it.len() == 49 && it.chars().all(|character| ALPHABET.contains(character))
    });
    let digits = text.get(47..).into_iter().flat_map(str::chars);
    let sum = digits.map(|it| ALPHABET.find(it).unwrap() as u64).fold(0, |sum, it| 62 * sum + it);
    pattern && sum == u64::from(crc32fast::hash(&text.as_bytes()[..47]))
}

#[tokio::test]
async fn a_key_is_shown_once_and_stands_for_its_principal_with_its_scopes() {
    let mut gate = Gate::start();
    let admin = elevated(&gate).await;
    let (agent, _) = gate.agent("reckoner", "agent").await;
    let made = key_of(&admin, &agent, &["agent:calc", "read:context"]).await;
    assert!(is_a_key(made["key"].as_str().unwrap()), "{made}");
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().shift_remove("key");
    assert_eq!(admin.get(&path(&made)).await.expect(200), shown);
    assert_eq!(admin.get(KEYS).await.expect(200)["items"], json!([shown]));
    let others = format!("{KEYS}?principal={}", made["created_by"].as_str().unwrap());
    assert_eq!(admin.get(&others).await.expect(200)["items"], json!([]));

    let machine = with(&gate, &made);
    let me = machine.get(ME).await.expect(200);
    assert_eq!((&me["id"], &me["kind"]), (&agent["client_id"], &json!("agent")));
    assert_eq!(me["scopes"], json!(["agent:calc", "read:context"]));
    assert_eq!(me["session"]["id"], Value::Null);
    let used = admin.get(&path(&made)).await.expect(200)["last_used_at"].clone();
    assert!(used.is_string(), "{used}");
    let filter =
        format!("/api/v1/audit-events?actor_user_id={}", agent["client_id"].as_str().unwrap());
    let entry = &admin.get(&filter).await.expect(200)["items"][0]["entry"];
    assert_eq!(entry["details"]["by_api_key"], made["id"], "{entry}");

    gate.stop();
    gate.restart();
    let kept = gate.admin().await.get(&path(&made)).await.expect(200);
    assert_eq!(kept["last_used_at"], used, "written down at the end");
    with(&gate, &made).get(ME).await.expect(200);
}

#[tokio::test]
async fn who_makes_a_key_proves_the_password_again_and_gives_no_more_than_there_is() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let (agent, machine) = gate.agent("reckoner", "agent").await;
    let body = |scopes: &[&str]| json!({ "name": "ci", "principal": agent["client_id"], "scopes": scopes });
    let denied = admin.post(KEYS, &body(&["agent:calc"])).await.problem(403, "denied");
    assert_eq!(denied["reasons"], json!(["admin.keys.elevated"]));
    assert_eq!(denied["fix"][0]["kind"], "reauth");
    machine.post(KEYS, &json!({ "name": "own", "scopes": [] })).await.problem(403, "denied");

    let admin = admin.elevated(PASSWORD).await;
    let wide = body(&["agent:calc", "admin:all", "agent:code_exec"]);
    let problem = admin.post(KEYS, &wide).await.problem(422, "invalid");
    let detail = problem["errors"][0]["detail"].as_str().unwrap();
    assert_eq!(problem["errors"][0]["pointer"], "/scopes");
    assert!(detail.contains("`admin:all`, `agent:code_exec`"), "{detail}");
    assert!(!detail.contains("agent:calc"), "{detail}");
    for (pointer, fault) in [
        ("/name", json!({ "name": " ", "scopes": [] })),
        ("/scopes", json!({ "name": "x", "scopes": ["two words"] })),
        ("/expires_at", json!({ "name": "x", "scopes": [], "expires_at": "2020-01-01T00:00:00Z" })),
        ("/principal", json!({ "name": "x", "scopes": [], "principal": "x" })),
    ] {
        let problem = admin.post(KEYS, &fault).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    let nobody = json!({ "name": "x", "scopes": [], "principal": admin_id(&admin).await });
    admin.post(KEYS, &nobody).await.expect(201);
    let nobody =
        json!({ "name": "x", "scopes": [], "principal": "0199a000-0000-7000-8000-000000000000" });
    admin.post(KEYS, &nobody).await.problem(404, "not_found");
    assert_eq!(admin.get(KEYS).await.expect(200)["items"].as_array().unwrap().len(), 1);
}

async fn admin_id(admin: &Caller) -> Value {
    admin.get(ME).await.expect(200)["id"].clone()
}

#[tokio::test]
async fn a_key_of_ones_own_holds_no_more_than_the_token_that_asked_and_makes_no_others() {
    let gate = Gate::start();
    let user = gate.elevated(&gate.user("alice", "user").await, "alice").await;
    let made = user.post(KEYS, &json!({ "name": "mine", "scopes": ["read:profile"] })).await;
    let key = with(&gate, &made.expect(201));
    let me = key.get(ME).await.expect(200);
    assert_eq!((&me["name"], &me["scopes"]), (&json!("alice"), &json!(["read:profile"])));
    let wider = json!({ "name": "wider", "scopes": ["write:profile"] });
    let denied = key.post(KEYS, &wider).await.problem(403, "denied");
    assert_eq!(denied["reasons"], json!(["admin.keys.elevated"]));

    let session = key.act("/api/v1/auth/logout").await.problem(409, "conflict");
    assert!(session["detail"].as_str().unwrap().contains("revoke"), "{session}");
    let password = json!({ "password": "A-fine-pass-phrase-1" });
    key.post("/api/v1/auth/elevate", &password).await.problem(409, "conflict");
    let refresh = json!({ "refresh_token": key.token });
    gate.anyone().post("/api/v1/auth/refresh", &refresh).await.problem(401, "unauthenticated");
    key.get(ME).await.expect(200);

    let stranger = gate.elevated(&gate.user("mallory", "user").await, "mallory").await;
    let of_alice = path(&user.get(KEYS).await.expect(200)["items"][0]);
    stranger.get(&of_alice).await.problem(404, "not_found");
    stranger.act(&format!("{of_alice}/rotate")).await.problem(404, "not_found");
    stranger.delete(&of_alice).await.problem(404, "not_found");
    assert_eq!(stranger.get(KEYS).await.expect(200)["items"], json!([]));
    key.get(ME).await.expect(200);

    // An admin ends it, and gets no text that stands for alice.
    let admin = elevated(&gate).await;
    for again in ["rotate", "enable"] {
        let denied = admin.act(&format!("{of_alice}/{again}")).await.problem(403, "denied");
        assert_eq!(denied["reasons"], json!(["admin.keys.own"]), "{again}");
        key.get(ME).await.expect(200);
    }
    admin.act(&format!("{of_alice}/disable")).await.expect(200);
    key.get(ME).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn every_key_that_is_not_good_gets_the_same_answer() {
    let gate = Gate::start();
    let admin = elevated(&gate).await;
    let (agent, _) = gate.agent("reckoner", "agent").await;
    let soon = Clock::system().now() + Duration::from_secs(3);
    let body = json!({ "name": "short", "principal": agent["client_id"], "scopes": [],
                       "expires_at": soon.to_string() });
    let expiring = with(&gate, &admin.post(KEYS, &body).await.expect(201));
    expiring.get(ME).await.expect(200);

    let revoked = key_of(&admin, &agent, &[]).await;
    admin.delete(&path(&revoked)).await.expect(204);
    admin.get(&path(&revoked)).await.problem(404, "not_found");
    let disabled = key_of(&admin, &agent, &[]).await;
    admin.act(&format!("{}/disable", path(&disabled))).await.expect(200);
    let rotated = key_of(&admin, &agent, &[]).await;
    let new = admin.act(&format!("{}/rotate", path(&rotated))).await.expect(200);
    with(&gate, &new).get(ME).await.expect(200);
    let unknown = gatewright_key();
    let mut wrong = new["key"].as_str().unwrap().to_owned();
    let last = wrong.pop().unwrap();
    wrong.push(if last == '0' { '1' } else { '0' });
    until(&expiring, 401).await;

    let strip = |answer: &Answer| {
        let mut body = answer.problem(401, "unauthenticated");
        body["instance"].take();
        (body, answer.headers[header::WWW_AUTHENTICATE].clone())
    };
    let expected = strip(&expiring.get(ME).await);
    for (what, token) in [
        ("revoked", revoked["key"].as_str().unwrap()),
        ("disabled", disabled["key"].as_str().unwrap()),
        ("rotated", rotated["key"].as_str().unwrap()),
        ("unknown", &*unknown),
        ("misspelt", &wrong),
        ("cut", "gwk_"),
    ] {
        let answer = Caller::new(&gate.url, Some(token)).get(ME).await;
        assert_eq!(strip(&answer), expected, "{what}");
    }
    admin.act(&format!("{}/enable", path(&disabled))).await.expect(200);
    with(&gate, &disabled).get(ME).await.expect(200);
}

/// Well written, and nobody's.
fn gatewright_key() -> String {
    let text = format!("gwk_{}", "x".repeat(43));
    let (mut rest, mut digits) = (crc32fast::hash(text.as_bytes()), Vec::new());
    for _ in 0..6 {
        let digit = (rest % 62) as u8;
        digits.push(char::from(match digit {
            0..=9 => b'0' + digit,
            10..=35 => b'A' + digit - 10,
            _ => b'a' + digit - 36,
        }));
        rest /= 62;
    }
    let key = text + &digits.iter().rev().collect::<String>();
    assert!(is_a_key(&key));
    key
}

#[tokio::test]
async fn a_rotation_may_let_the_old_key_overlap_and_insists_on_what_was_seen() {
    let gate = Gate::start();
    let admin = elevated(&gate).await;
    let (agent, _) = gate.agent("reckoner", "agent").await;
    let first = key_of(&admin, &agent, &["agent:calc"]).await;
    let rotate = format!("{}/rotate", path(&first));
    let stale = send(admin.request(Method::POST, &rotate).header(header::IF_MATCH, "\"7\"")).await;
    stale.problem(412, "precondition_failed");
    let week = json!({ "overlap_seconds": 604_801 });
    admin.post(&rotate, &week).await.problem(422, "invalid");

    let overlap = json!({ "overlap_seconds": 600 });
    let second = admin.post(&rotate, &overlap).await.expect(200);
    assert!(is_a_key(second["key"].as_str().unwrap()) && second["key"] != first["key"]);
    assert_eq!(second["id"], first["id"]);
    assert!(second["previous_expires_at"].is_string(), "{second}");
    for key in [&first, &second] {
        assert_eq!(with(&gate, key).get(ME).await.expect(200)["scopes"], json!(["agent:calc"]));
    }
    // A second rotation: the first text is gone, be its overlap over or not.
    let third = admin.post(&rotate, &overlap).await.expect(200);
    with(&gate, &first).get(ME).await.problem(401, "unauthenticated");
    for key in [&second, &third] {
        with(&gate, key).get(ME).await.expect(200);
    }
    let short = admin.post(&rotate, &json!({ "overlap_seconds": 1 })).await.expect(200);
    until(&with(&gate, &third), 401).await;
    with(&gate, &short).get(ME).await.expect(200);
}

#[tokio::test]
async fn what_a_principal_loses_its_keys_lose_on_the_next_request() {
    let gate = Gate::start();
    let admin = elevated(&gate).await;
    let (agent, _) = gate.agent("lingua", "translator").await;
    let id = agent["client_id"].as_str().unwrap();
    let key = with(&gate, &key_of(&admin, &agent, &["agent:translate"]).await);
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let access = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
    let ask = json!({ "scopes": ["read"] });
    key.post(&access, &ask).await.expect(201);

    let role = format!("/api/v1/agents/{id}/roles/translator");
    admin.delete(&role).await.expect(200);
    assert_eq!(key.get(ME).await.expect(200)["scopes"], json!([]));
    key.post(&access, &ask).await.problem(403, "denied");
    admin.put(&role).await.expect(200);
    assert_eq!(key.get(ME).await.expect(200)["scopes"], json!(["agent:translate"]));

    admin.act(&format!("/api/v1/agents/{id}/suspend")).await.expect(200);
    key.get(ME).await.problem(401, "unauthenticated");
    admin.act(&format!("/api/v1/agents/{id}/resume")).await.expect(200);
    key.get(ME).await.expect(200);
}

/// Whether a credential is good, asked online.
async fn is_good(admin: &Caller, vended: &Value) -> bool {
    let token = &vended["credential"]["token"];
    let question = json!({ "token": token, "tool": "translate", "scope": "read" });
    admin.post("/api/v1/credentials/validate", &question).await.expect(200)["valid"] == true
}

#[tokio::test]
async fn what_was_vended_with_a_key_ends_with_it_and_no_sooner() {
    for setup in [Setup::new(), Setup::on_postgres()] {
        vended_with_a_key(&setup.start()).await;
    }
}

async fn vended_with_a_key(gate: &Gate) {
    let admin = elevated(gate).await;
    let (agent, signed_in) = gate.agent("lingua", "translator").await;
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let access = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
    let ask = json!({ "scopes": ["read"] });
    let of_session = signed_in.post(&access, &ask).await.expect(201);
    for (method, end, status) in
        [(Method::DELETE, "", 204), (Method::POST, "/disable", 200), (Method::POST, "/rotate", 200)]
    {
        let made = key_of(&admin, &agent, &["agent:translate"]).await;
        let other = key_of(&admin, &agent, &["agent:translate"]).await;
        let vended = with(gate, &made).post(&access, &ask).await.expect(201);
        let kept = with(gate, &other).post(&access, &ask).await.expect(201);
        assert!(is_good(&admin, &vended).await);
        send(admin.request(method, &format!("{}{end}", path(&made)))).await.expect(status);
        assert!(!is_good(&admin, &vended).await, "{end}");
        assert!(is_good(&admin, &kept).await, "of another key: {end}");
    }
    let made = key_of(&admin, &agent, &["agent:translate"]).await;
    let vended = with(gate, &made).post(&access, &ask).await.expect(201);
    let overlap = json!({ "overlap_seconds": 60 });
    admin.post(&format!("{}/rotate", path(&made)), &overlap).await.expect(200);
    assert!(is_good(&admin, &vended).await, "a rotation that overlaps is no alarm");

    assert!(is_good(&admin, &of_session).await);
    signed_in.act("/api/v1/auth/logout").await.expect(204);
    assert!(!is_good(&admin, &of_session).await, "of a session that was ended");
}

#[tokio::test]
async fn a_principal_has_only_so_many_keys() {
    let gate = Gate::start();
    let admin = elevated(&gate).await;
    for number in 0..100 {
        let body = json!({ "name": format!("key {number}"), "scopes": [] });
        admin.post(KEYS, &body).await.expect(201);
    }
    let one_more = admin.post(KEYS, &json!({ "name": "one more", "scopes": [] })).await;
    one_more.problem(409, "conflict");
    let some = admin.get(&format!("{KEYS}?page_size=30")).await.expect(200);
    admin.delete(&path(&some["items"][3])).await.expect(204);
    admin.post(KEYS, &json!({ "name": "one more", "scopes": [] })).await.expect(201);
}
