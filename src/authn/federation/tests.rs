//! Whose word is taken, and whose is not.

use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::identity_token::check;
use super::issuer::{Believed, TOKEN_BYTES_MAX};
use super::untrusted::Untrusted;
use super::{Federation, Provider};
use crate::authn::proofs::Unverified;
use crate::clock::Clock;
use crate::net::outbound::fixture::{self, Server, outbound};
use crate::settings::Settings;

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://id.example";
const NONCE: &str = "n-0S6_WzA2Mj";

struct World {
    federation: Federation,
    keys: Server,
}

fn public(seed: u8, id: &str) -> Value {
    let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
    let x = BASE64_URL_SAFE_NO_PAD.encode(key.as_bytes());
    json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": id, "use": "sig" })
}

fn published(keys: &[Value]) -> fixture::Manner {
    fixture::json("", &json!({ "keys": keys }).to_string())
}

impl World {
    async fn new() -> World {
        let keys = Server::start(published(&[public(1, "one")])).await;
        let mut settings = Settings::default();
        settings.auth.trusted_issuers = serde_json::from_value(json!([
            {
                "kind": "sign_in", "name": "company", "issuer": ISSUER, "client_id": "gate",
                "jwks_uri": keys.url(),
                "groups": { "eng": "engineers", "sec": "security" },
                "second_factor": ["mfa", "hwk"],
            },
            {
                "kind": "workload", "name": "ci", "issuer": "https://ci.example",
                "audience": "https://gate.example", "jwks_uri": keys.url(),
                "agents": {
                    "repo:acme/app:*": "builder",
                    "repo:acme/app:ref:refs/heads/main": "deployer",
                    "repo:acme/*": "somebody",
                },
            },
        ]))
        .unwrap();
        let clock = Clock::manual(Timestamp::from_second(NOW).unwrap());
        let outbound = Arc::new(outbound(&[]));
        let federation = Federation::open(&settings, &outbound, &clock).unwrap();
        World { federation, keys }
    }

    fn provider(&self) -> &Provider {
        self.federation.provider("company").unwrap()
    }

    async fn believed(&self, token: &str) -> Result<Believed, Untrusted> {
        let token = Unverified::read(token, TOKEN_BYTES_MAX)?;
        self.federation.believe(&self.provider().issuer, token).await
    }

    /// What is wrong with a token as the answer to a sign-in; empty when nothing is.
    async fn fault(&self, token: &str, access_token: Option<&str>) -> &'static str {
        let checked = match self.believed(token).await {
            Ok(it) => check(self.provider(), &it, NONCE, access_token, NOW),
            Err(untrusted) => Err(untrusted),
        };
        checked.map_or_else(|it| it.reason(), |()| "")
    }
}

fn claims(change: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": "alice-1", "aud": "gate", "nonce": NONCE,
        "iat": NOW, "exp": NOW + 300,
    });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn signed_as(header: &Header, seed: u8, claims: &Value) -> String {
    let key = SigningKey::from_bytes(&[seed; 32]).to_pkcs8_der().unwrap();
    encode(header, claims, &EncodingKey::from_ed_der(key.as_bytes())).unwrap()
}

fn header(key_id: &str) -> Header {
    Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::EdDSA) }
}

fn signed(claims: &Value) -> String {
    signed_as(&header("one"), 1, claims)
}

fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |it: &Value| BASE64_URL_SAFE_NO_PAD.encode(it.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[tokio::test]
async fn a_token_of_the_issuer_for_this_sign_in_is_believed() {
    let world = World::new().await;
    // The left half of the SHA-512 of `token`, since the signature is Ed25519.
    let half = "ImXaughy_DrvFp0Hk2XlkPDLyO1GwqeYTIpkKAPP2Ww";
    for good in [
        claims(&json!({})),
        claims(&json!({ "aud": ["gate"], "azp": "gate" })),
        claims(&json!({ "at_hash": half })),
        claims(&json!({ "iat": NOW + 60, "nbf": NOW + 60 })),
        claims(&json!({ "iat": NOW - 300, "exp": NOW + 1 })),
    ] {
        assert_eq!(world.fault(&signed(&good), Some("token")).await, "", "{good}");
    }
    let untyped = Header { typ: None, ..header("one") };
    assert_eq!(world.fault(&signed_as(&untyped, 1, &claims(&json!({}))), None).await, "");
}

#[tokio::test]
async fn a_token_for_anything_else_is_not() {
    let world = World::new().await;
    for (change, reason) in [
        (json!({ "iss": "https://evil.example" }), "wrong_issuer"),
        (json!({ "iss": format!("{ISSUER}/") }), "wrong_issuer"),
        (json!({ "iss": null }), "wrong_issuer"),
        (json!({ "aud": "other" }), "wrong_audience"),
        (json!({ "aud": ["gate", "other"] }), "wrong_audience"),
        (json!({ "aud": ["gate", "other"], "azp": "gate" }), "wrong_audience"),
        (json!({ "aud": [] }), "wrong_audience"),
        (json!({ "aud": null }), "wrong_audience"),
        (json!({ "azp": "other" }), "wrong_audience"),
        (json!({ "nonce": "another" }), "wrong_nonce"),
        (json!({ "nonce": null }), "wrong_nonce"),
        (json!({ "exp": NOW }), "wrong_time"),
        (json!({ "exp": null }), "wrong_time"),
        (json!({ "exp": "2099-01-01" }), "wrong_time"),
        (json!({ "exp": 1e300 }), "wrong_time"),
        (json!({ "nbf": NOW + 61 }), "wrong_time"),
        (json!({ "iat": NOW + 61 }), "wrong_time"),
        (json!({ "iat": NOW - 301 }), "wrong_time"),
        (json!({ "iat": null }), "wrong_time"),
        (json!({ "sub": "" }), "no_subject"),
        (json!({ "sub": 7 }), "no_subject"),
        (json!({ "sub": "x".repeat(256) }), "no_subject"),
        (json!({ "at_hash": "AAAA" }), "wrong_access_token"),
        (json!({ "at_hash": "" }), "wrong_access_token"),
    ] {
        let token = signed(&claims(&change));
        assert_eq!(world.fault(&token, Some("token")).await, reason, "{change}");
    }
    let half = claims(&json!({ "at_hash": "ImXaughy_DrvFp0Hk2XlkPDLyO1GwqeYTIpkKAPP2Ww" }));
    assert_eq!(world.fault(&signed(&half), None).await, "wrong_access_token");
}

#[tokio::test]
async fn nobody_else_can_sign_for_the_issuer() {
    let world = World::new().await;
    let claims = claims(&json!({}));
    let good = signed(&claims);
    let [_, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
    let hs256 = Header { kid: Some("one".into()), ..Header::new(Algorithm::HS256) };
    let hmac = |secret: &[u8]| encode(&hs256, &claims, &EncodingKey::from_secret(secret)).unwrap();
    let key = SigningKey::from_bytes(&[1; 32]).verifying_key();
    let x = BASE64_URL_SAFE_NO_PAD.encode(key.as_bytes());
    let embedded = json!({ "alg": "EdDSA", "jwk": public(2, "two") });
    let none = |alg: &str| unsigned(&json!({ "alg": alg, "kid": "one" }), &claims, "");
    for (what, token, reason) in [
        ("another key under the same name", signed_as(&header("one"), 2, &claims), "bad_token"),
        ("a key of another name", signed_as(&header("two"), 2, &claims), "unknown_key"),
        (
            "a key inside the token",
            {
                let forged = unsigned(&embedded, &claims, "");
                format!("{forged}{signature}")
            },
            "bad_token",
        ),
        ("none", none("none"), "bad_token"),
        ("None", none("None"), "bad_token"),
        ("no algorithm", unsigned(&json!({ "kid": "one" }), &claims, signature), "bad_token"),
        ("the public key as a shared secret", hmac(key.as_bytes()), "bad_token"),
        ("its text as a shared secret", hmac(x.as_bytes()), "bad_token"),
        (
            "another algorithm's name",
            {
                let header = json!({ "alg": "ES256", "kid": "one" });
                unsigned(&header, &claims, signature)
            },
            "unknown_key",
        ),
        ("no signature", format!("{}.{body}.", good.split('.').next().unwrap()), "bad_token"),
        (
            "two claims of a name",
            {
                let twice =
                    format!("{},\"sub\":\"root\"}}", claims.to_string().trim_end_matches('}'));
                let header = json!({ "alg": "EdDSA", "kid": "one" });
                let head = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
                format!("{head}.{}.{signature}", BASE64_URL_SAFE_NO_PAD.encode(twice))
            },
            "bad_token",
        ),
        (
            "an access token",
            {
                let typed = Header { typ: Some("at+jwt".into()), ..header("one") };
                signed_as(&typed, 1, &claims)
            },
            "wrong_type",
        ),
        ("five parts", format!("{good}.x.y"), "bad_token"),
        (
            "too long",
            signed(&self::claims(&json!({ "x": "x".repeat(TOKEN_BYTES_MAX) }))),
            "bad_token",
        ),
        ("empty", String::new(), "bad_token"),
    ] {
        assert_eq!(world.fault(&token, None).await, reason, "{what}");
    }
}

#[tokio::test]
async fn an_algorithm_counts_only_if_the_operator_named_it() {
    let world = World::new().await;
    let issuer = super::issuer::Issuer::new(
        &serde_json::from_value(json!("company")).unwrap(),
        &serde_json::from_value(json!(ISSUER)).unwrap(),
        &[crate::settings::Signing::RS256],
        Some(&world.keys.url()),
    );
    let good = signed(&claims(&json!({})));
    let token = Unverified::read(&good, TOKEN_BYTES_MAX).unwrap();
    let refused = world.federation.believe(&issuer, token).await.unwrap_err();
    assert_eq!(refused.reason(), "wrong_algorithm");
}

#[tokio::test]
async fn keys_are_followed_as_they_change() {
    let world = World::new().await;
    let token = |key: &str, seed| signed_as(&header(key), seed, &claims(&json!({})));
    assert_eq!(world.fault(&token("one", 1), None).await, "");
    world.keys.becomes(published(&[public(2, "two")]));
    assert_eq!(world.fault(&token("two", 2), None).await, "");
    assert_eq!(world.fault(&token("one", 1), None).await, "unknown_key");
    let nobody = World::new().await;
    nobody.keys.becomes(fixture::Manner::Says("HTTP/1.1 500 Oh\r\n\r\n".into()));
    assert_eq!(nobody.fault(&token("one", 1), None).await, "issuer_unreachable");
}

#[tokio::test]
async fn claims_make_groups_and_take_them_away() {
    let world = World::new().await;
    let provider = world.provider();
    let groups =
        |of: &[&str]| of.iter().map(|it| (*it).to_owned()).collect::<crate::directory::Groups>();
    for (claim, expected) in [
        (json!(["eng", "sec", "other"]), &["engineers", "security"][..]),
        (json!("eng"), &["engineers"]),
        (json!(["engineers", 7, null, ["eng"]]), &[]),
        (json!({ "eng": true }), &[]),
        (json!(null), &[]),
    ] {
        let token = signed(&claims(&json!({ "groups": claim, "preferred_username": "alice" })));
        let believed = world.believed(&token).await.unwrap();
        let person = provider.person(believed.subject, &believed.claims);
        assert_eq!(person.groups, groups(expected), "{claim}");
        assert_eq!(person.username.as_deref(), Some("alice"));
    }
    let before = groups(&["engineers", "ours"]);
    assert_eq!(provider.regrouped(&before, &groups(&["security"])), groups(&["ours", "security"]));
    assert_eq!(provider.regrouped(&before, &groups(&[])), groups(&["ours"]));
}

#[tokio::test]
async fn a_second_factor_counts_where_it_is_named_and_dated() {
    let world = World::new().await;
    for (change, seen_at) in [
        (json!({ "amr": ["pwd", "mfa"], "auth_time": NOW - 60 }), Some(NOW - 60)),
        (json!({ "amr": ["hwk"], "auth_time": NOW }), Some(NOW)),
        (json!({ "amr": ["mfa"] }), None),
        (json!({ "amr": ["mfa"], "auth_time": "today" }), None),
        (json!({ "amr": ["pwd", "otp"], "auth_time": NOW }), None),
        (json!({ "amr": "mfa", "auth_time": NOW }), None),
        (json!({ "auth_time": NOW }), None),
    ] {
        let believed = world.believed(&signed(&claims(&change))).await.unwrap();
        let person = world.provider().person(believed.subject, &believed.claims);
        assert_eq!(person.second_factor_at, seen_at, "{change}");
    }
}

#[tokio::test]
async fn a_workload_is_the_agent_that_names_it_most_exactly() {
    let world = World::new().await;
    let token = |change: Value| {
        let mut claims = claims(&json!({
            "iss": "https://ci.example", "aud": ["https://gate.example", "https://other.example"],
        }));
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        signed(&claims)
    };
    for (subject, agent) in [
        ("repo:acme/app:ref:refs/heads/main", "deployer"),
        ("repo:acme/app:ref:refs/heads/mainframe", "builder"),
        ("repo:acme/app:pull_request", "builder"),
        ("repo:acme/application:x", "somebody"),
    ] {
        let token = token(json!({ "sub": subject }));
        assert_eq!(world.federation.workload(&token).await.unwrap(), agent, "{subject}");
    }
    for (change, reason) in [
        (json!({ "sub": "repo:acme-evil/app:x" }), "unknown_workload"),
        (json!({ "sub": "REPO:acme/app:x" }), "unknown_workload"),
        (json!({ "iss": "https://other.example" }), "unknown_issuer"),
        // A provider that people sign in with is not trusted with workloads.
        (json!({ "iss": ISSUER }), "unknown_issuer"),
        (json!({ "iss": ["https://ci.example"] }), "unknown_issuer"),
        (json!({ "aud": "https://other.example" }), "wrong_audience"),
        (json!({ "aud": null }), "wrong_audience"),
        (json!({ "exp": NOW }), "wrong_time"),
    ] {
        let refused = world.federation.workload(&token(change.clone())).await.unwrap_err();
        assert_eq!(refused.reason(), reason, "{change}");
    }
}
