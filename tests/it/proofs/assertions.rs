//! `private_key_jwt`: machines that sign an assertion with a key that they registered.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::{ME, assert_refused, id, machine, none};
use crate::harness::address::by_address;
use crate::harness::holder::{ASSERTION_TYPE, by_assertion, merged, now};
use crate::harness::{Caller, Gate, Holder, Setup};

const CODE: &[(&str, &str)] = &[("scope", "agent:code_exec")];

#[tokio::test]
async fn a_machine_that_signs_is_attested() {
    let gate = Gate::start();
    for (name, holder) in [("eddy", Holder::ed25519(1)), ("elly", Holder::p256())] {
        let registered = machine(&gate, name, &holder).await;
        let assertion = holder.assertion(&gate.url, id(&registered), "one", &none());
        let answer = by_assertion(&gate, &assertion, CODE).await.expect(200);
        assert_eq!(answer["scope"], "agent:code_exec");
        let signed = Caller::new(&gate.url, answer["access_token"].as_str());
        assert_eq!(signed.get(ME).await.expect(200)["session"]["assurance_level"], 2);

        let by_secret = gate.machine(&registered).await.get(ME).await.expect(200);
        assert_eq!(by_secret["session"]["assurance_level"], 1);
        assert!(!by_secret["scopes"].to_string().contains("code_exec"), "{by_secret}");
        // The endpoint is a name of the server, too; a name beside the assertion is the same name.
        let endpoint = json!({ "aud": format!("{}/oauth/token", gate.url) });
        let assertion = holder.assertion(&gate.url, id(&registered), "one", &endpoint);
        by_assertion(&gate, &assertion, &[("client_id", id(&registered))]).await.expect(200);
    }
}

#[tokio::test]
async fn an_assertion_counts_once_and_a_restart_changes_nothing() {
    let mut gate = Setup::new().with("public_url", "http://gate.example").start();
    by_address(&mut gate);
    let holder = Holder::ed25519(1);
    let registered = machine(&gate, "robot", &holder).await;
    let assertion = holder.assertion("http://gate.example", id(&registered), "one", &none());
    by_assertion(&gate, &assertion, &[]).await.expect(200);
    assert_refused(&by_assertion(&gate, &assertion, &[]).await, 401, "invalid_client");
    gate.restart();
    by_address(&mut gate);
    let again = by_assertion(&gate, &assertion, &[]).await;
    assert_refused(&again, 401, "invalid_client");
    assert!(again.text.contains("used before"), "{}", again.text);
    let fresh = holder.assertion("http://gate.example", id(&registered), "one", &none());
    by_assertion(&gate, &fresh, &[]).await.expect(200);

    let of_robot = "/api/v1/audit-events?action=auth.token&outcome=conflict";
    let found = gate.admin().await.get(of_robot).await.expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 2, "{found}");
}

#[tokio::test]
async fn of_many_uses_at_once_one_succeeds() {
    let gate = Gate::start();
    let holder = Holder::ed25519(1);
    let registered = machine(&gate, "robot", &holder).await;
    for _ in 0..5 {
        let assertion = holder.assertion(&gate.url, id(&registered), "one", &none());
        let uses = (0..8).map(|_| by_assertion(&gate, &assertion, &[]));
        let answers = futures_util::future::join_all(uses).await;
        assert_eq!(answers.iter().filter(|it| it.status == 200).count(), 1);
        assert!(answers.iter().all(|it| [200, 401].contains(&it.status.as_u16())));
    }
}

#[tokio::test]
async fn what_proves_nothing_is_refused_and_written_down() {
    let gate = Gate::start();
    let (holder, stranger) = (Holder::ed25519(1), Holder::ed25519(2));
    let registered = machine(&gate, "robot", &holder).await;
    let (secret_only, _) = gate.agent("plain", "agent").await;
    let client = id(&registered);
    let but = |change: Value| holder.assertion(&gate.url, client, "one", &change);
    let claims = json!({
        "iss": client, "sub": client, "aud": gate.url, "exp": now() + 60, "jti": "1",
    });
    let public = holder.jwk.to_string();
    let none_at_all = {
        let header = BASE64.encode(r#"{"alg":"none"}"#);
        format!("{header}.{}.", BASE64.encode(claims.to_string()))
    };
    for (what, assertion) in [
        ("no algorithm", none_at_all),
        ("a public key as a secret", with_mac(&claims, public.as_bytes())),
        ("another's key", stranger.assertion(&gate.url, client, "one", &none())),
        ("its own key", stranger.sign(
            &json!({ "alg": "EdDSA", "kid": "one", "jwk": stranger.jwk, "jku": "https://evil.example" }),
            &claims,
        )),
        ("an unknown key", holder.assertion(&gate.url, client, "two", &none())),
        ("another client", holder.assertion(&gate.url, id(&secret_only), "one", &none())),
        ("no client", holder.assertion(&gate.url, "nobody", "one", &none())),
        ("another audience", but(json!({ "aud": "https://evil.example" }))),
        ("others as well", but(json!({ "aud": [gate.url, "https://evil.example"] }))),
        ("no audience", but(json!({ "aud": null }))),
        ("another issuer", but(json!({ "iss": "somebody" }))),
        ("no expiry", but(json!({ "exp": null }))),
        ("over", but(json!({ "exp": now() - 1 }))),
        ("of the future", but(json!({ "iat": now() + 3600, "exp": now() + 3660 }))),
        ("of long ago", but(json!({ "iat": now() - 301 }))),
        ("no id", but(json!({ "jti": null }))),
        ("oversized", but(json!({ "pad": "x".repeat(8192) }))),
        ("within another", holder.sign(
            &json!({ "alg": "EdDSA", "kid": "one", "cty": "JWT" }),
            &claims,
        )),
        ("encrypted", format!("{}.AAAA.AAAA", but(none()))),
    ] {
        let answer = by_assertion(&gate, &assertion, &[]).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        assert_refused(&answer, 401, "invalid_client");
    }
    let wrong = stranger.assertion(&gate.url, client, "one", &none());
    let unknown =
        stranger.assertion(&gate.url, "01999999-9999-7999-8999-999999999999", "one", &none());
    let [wrong, unknown] =
        [by_assertion(&gate, &wrong, &[]).await, by_assertion(&gate, &unknown, &[]).await];
    assert_eq!(wrong.text, unknown.text, "a known client is not told from an unknown one");

    by_assertion(&gate, &but(none()), &[]).await.expect(200);

    let denied = "/api/v1/audit-events?action=auth.token&outcome=denied&page_size=200";
    let found = gate.admin().await.get(denied).await.expect(200);
    let items = found["items"].as_array().unwrap();
    assert!(items.iter().all(|it| it["entry"]["details"]["reason"] == "wrong_assertion"));
    assert!(items.iter().any(|it| it["entry"]["actor"]["name"] == "robot"), "{found}");
}

#[tokio::test]
async fn a_client_proves_itself_in_one_way_and_says_which() {
    let gate = Gate::start();
    let holder = Holder::ed25519(1);
    let registered = machine(&gate, "robot", &holder).await;
    let (secret_only, _) = gate.agent("plain", "agent").await;
    let good = || holder.assertion(&gate.url, id(&registered), "one", &none());
    let secret = registered["client_secret"].as_str().unwrap();
    let twice = by_assertion(&gate, &good(), &[("client_secret", secret)]).await;
    assert_refused(&twice, 400, "invalid_request");
    let other = by_assertion(&gate, &good(), &[("client_id", id(&secret_only))]).await;
    assert_refused(&other, 401, "invalid_client");
    for kind in [None, Some("urn:ietf:params:oauth:client-assertion-type:saml2-bearer")] {
        let assertion = good();
        let mut form =
            vec![("grant_type", "client_credentials"), ("client_assertion", &*assertion)];
        form.extend(kind.map(|it| ("client_assertion_type", it)));
        let answer = gate.anyone().form("/oauth/token", &form).await;
        assert_refused(&answer, 401, "invalid_client");
        assert!(answer.text.contains(ASSERTION_TYPE), "{}", answer.text);
    }
    by_assertion(&gate, &good(), &[]).await.expect(200);
}

/// The classic confusion: a MAC made with what everybody may know.
fn with_mac(claims: &Value, secret: &[u8]) -> String {
    let header = BASE64.encode(r#"{"alg":"HS256","kid":"one"}"#);
    let message = format!("{header}.{}", BASE64.encode(claims.to_string()));
    let key = EncodingKey::from_secret(secret);
    let mac = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{mac}")
}

#[tokio::test]
async fn a_registration_takes_public_keys_and_no_others() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let (sound, before) = (Holder::p256().jwk, admin.get("/api/v1/agents").await.expect(200));
    let secret = merged(&sound, &json!({ "d": "AAAA" }));
    let many: Vec<Value> = (0..17).map(|it| Holder::ed25519(it).jwk).collect();
    for (jwks, pointer) in [
        (json!({ "keys": [secret] }), "/jwks/keys/0"),
        (json!({ "keys": [sound, { "kty": "oct", "k": "AAAA" }] }), "/jwks/keys/1"),
        (json!({ "keys": [sound, sound] }), "/jwks/keys/1"),
        (json!({ "keys": many }), "/jwks/keys"),
        (json!({ "keys": "none" }), "/jwks/keys"),
        (json!({}), "/jwks"),
    ] {
        let body = json!({ "name": "robot", "role": "agent", "jwks": jwks });
        let answer = admin.post("/api/v1/register/machine", &body).await;
        let problem = answer.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert!(!answer.text.contains("AAAA"), "what may be a secret is not repeated");
    }
    assert_eq!(admin.get("/api/v1/agents").await.expect(200), before);

    let registered = machine(&gate, "robot", &Holder::ed25519(1)).await;
    let shown = admin.get(&format!("/api/v1/agents/{}", id(&registered))).await.expect(200);
    let expected = merged(&Holder::ed25519(1).jwk, &json!({ "kid": "one", "use": "sig" }));
    assert_eq!(shown["jwks"], json!({ "keys": [expected] }));
}
