//! Changing what a machine proves itself by: what is taken away counts no more from the next
//! request on.

use std::time::{Duration, Instant};

use gatewright::clock::Clock;
use jiff::Timestamp;
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::{ME, assert_refused, elevated, id, machine, none, put};
use crate::harness::holder::by_assertion;
use crate::harness::{Answer, Caller, Gate, Holder, samples, send};

async fn by_secret(gate: &Gate, registered: &Value, secret: &Value) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id(registered)),
        ("client_secret", secret.as_str().unwrap()),
    ];
    gate.anyone().form("/oauth/token", &form).await
}

#[tokio::test]
async fn a_rotated_secret_ends_what_the_old_one_gave() {
    let gate = Gate::start();
    let admin = elevated(&gate).await;
    admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    let (registered, robot) = gate.agent("robot", "agent").await;
    let ask = json!({ "tool": "calc", "scopes": ["evaluate"] });
    let vended = robot.post("/api/v1/credentials", &ask).await.expect(201);
    let path = format!("/api/v1/agents/{}/secret", id(&registered));
    let old = &registered["client_secret"];

    let rotated = admin.post(&path, &json!({ "overlap_seconds": 600 })).await.expect(200);
    let new = &rotated["client_secret"];
    assert!(new != old && rotated["previous_until"].is_string(), "{rotated}");
    robot.get(ME).await.expect(200);
    by_secret(&gate, &registered, old).await.expect(200);
    by_secret(&gate, &registered, new).await.expect(200);

    let bare = admin.act(&path).await;
    let newest = bare.expect(200);
    assert_eq!(newest["previous_until"], Value::Null);
    assert_eq!(robot.get(ME).await.status, 401);
    assert_refused(&by_secret(&gate, &registered, old).await, 401, "invalid_client");
    assert_refused(&by_secret(&gate, &registered, new).await, 401, "invalid_client");
    by_secret(&gate, &registered, &newest["client_secret"]).await.expect(200);
    let feed = gate.anyone().get("/api/v1/revocations").await.expect(200);
    assert_eq!(feed["credential_ids"], json!([vended["credential"]["credential_id"]]));

    let log = gate.log().join("\n");
    let audit = admin.get("/api/v1/audit-events?action=agent.secret").await;
    for secret in [old, new, &newest["client_secret"]] {
        let secret = secret.as_str().unwrap();
        assert!(!log.contains(secret) && !audit.text.contains(secret));
    }
    assert_eq!(audit.expect(200)["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_overlap_ends_and_a_restart_keeps_it() {
    let mut gate = Gate::start();
    let (registered, _) = gate.agent("robot", "agent").await;
    let path = format!("/api/v1/agents/{}/secret", id(&registered));
    let admin = elevated(&gate).await;
    let first = admin.post(&path, &json!({ "overlap_seconds": 600 })).await.expect(200);
    gate.restart();
    by_secret(&gate, &registered, &registered["client_secret"]).await.expect(200);

    let admin = elevated(&gate).await;
    let second = admin.post(&path, &json!({ "overlap_seconds": 1 })).await.expect(200);
    let before = by_secret(&gate, &registered, &registered["client_secret"]).await;
    assert_refused(&before, 401, "invalid_client");
    let until: Timestamp = second["previous_until"].as_str().unwrap().parse().unwrap();
    let (clock, deadline) = (Clock::system(), Instant::now() + Duration::from_secs(10));
    while by_secret(&gate, &registered, &first["client_secret"]).await.status == 200 {
        assert!(Instant::now() < deadline, "the old secret outlives its overlap");
    }
    assert!(clock.now() >= until, "the overlap ended early");
    by_secret(&gate, &registered, &second["client_secret"]).await.expect(200);
}

#[tokio::test]
async fn a_key_that_is_taken_away_proves_nothing_from_then_on() {
    let gate = Gate::start();
    let (first, second) = (Holder::ed25519(1), Holder::p256());
    let registered = machine(&gate, "robot", &first).await;
    let path = format!("/api/v1/agents/{}/keys", id(&registered));
    let by = async |holder: &Holder, key_id: &str| {
        let assertion = holder.assertion(&gate.url, id(&registered), key_id, &none());
        by_assertion(&gate, &assertion, &[]).await
    };
    let session = by(&first, "one").await.expect(200);
    let robot = Caller::new(&gate.url, session["access_token"].as_str());
    assert_refused(&by(&second, "two").await, 401, "invalid_client");

    let admin = elevated(&gate).await;
    let both = [&first.jwks("one")["keys"][0], &second.jwks("two")["keys"][0]];
    let shown = put(&admin, &path, &json!({ "keys": both })).await;
    assert_eq!(shown.expect(200)["jwks"]["keys"].as_array().unwrap().len(), 2);
    robot.get(ME).await.expect(200);
    by(&second, "two").await.expect(200);
    by(&first, "one").await.expect(200);

    put(&admin, &path, &second.jwks("two")).await.expect(200);
    assert_eq!(robot.get(ME).await.status, 401, "a session of the key that is gone");
    assert_refused(&by(&first, "one").await, 401, "invalid_client");
    by(&second, "two").await.expect(200);
    put(&admin, &path, &json!({ "keys": [] })).await.expect(200);
    assert_refused(&by(&second, "two").await, 401, "invalid_client");
    gate.machine(&registered).await.get(ME).await.expect(200);
}

#[tokio::test]
async fn keys_are_changed_by_whoever_may_and_as_they_were_seen() {
    let gate = Gate::start();
    let holder = Holder::ed25519(1);
    let registered = machine(&gate, "robot", &holder).await;
    let agent = format!("/api/v1/agents/{}", id(&registered));
    let (keys, secret) = (format!("{agent}/keys"), format!("{agent}/secret"));
    let plain = gate.admin().await;
    let before = plain.get(&agent).await;
    put(&plain, &keys, &json!({ "keys": [] })).await.problem(403, "denied");
    plain.act(&secret).await.problem(403, "denied");
    let stranger = gate.user("gus", "user").await;
    put(&stranger, &keys, &json!({ "keys": [] })).await.problem(404, "not_found");
    stranger.act(&secret).await.problem(404, "not_found");

    let admin = elevated(&gate).await;
    let tag = |it: &str| admin.request(Method::PUT, &keys).header(header::IF_MATCH, it.to_owned());
    send(tag("\"7\"").json(&json!({ "keys": [] }))).await.problem(412, "precondition_failed");
    let week = 7 * 24 * 60 * 60;
    for (path, body, pointer) in [
        (&keys, json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] }), "/keys/0"),
        (&keys, json!({}), ""),
        (&secret, json!({ "overlap_seconds": week + 1 }), "/overlap_seconds"),
        (&secret, json!({ "overlap_seconds": -1 }), "/overlap_seconds"),
        (&secret, json!({ "overlap": 1 }), "/overlap"),
    ] {
        let method = if path == &keys { Method::PUT } else { Method::POST };
        let answer = send(admin.request(method, path).json(&body)).await;
        let problem = answer.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    let after = plain.get(&agent).await;
    assert_eq!(after.text, before.text, "nothing was changed");
    let seen = before.headers[header::ETAG].to_str().unwrap();
    send(tag(seen).json(&holder.jwks("other"))).await.expect(200);
}
