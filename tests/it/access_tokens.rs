//! Access tokens: what others can verify, and what nobody can forge.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::{Signer as _, SigningKey};
use gatewright::keys;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::harness::{Caller, Gate, Setup};

/// What Node's own cryptography says of tokens and the published keys.
fn judged(cases: &[Value]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/jwks.mjs");
    let mut node = Command::new("node");
    let mut child = node.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines: String = cases.iter().map(|it| format!("{it}\n")).collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

fn part(token: &str, index: usize) -> Value {
    let text = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64.decode(text).unwrap()).unwrap()
}

#[tokio::test]
async fn published_keys_verify_access_tokens() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let token = admin.token.clone().unwrap();
    let jwks = gate.anyone().get("/.well-known/jwks.json").await.expect(200);
    let forged = {
        let mut claims = part(&token, 1);
        claims["sub"] = json!("01999999-9999-7999-8999-999999999999");
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        parts[1] = BASE64.encode(claims.to_string());
        parts.join(".")
    };
    let cases = [json!({ "jwks": jwks, "token": token }), json!({ "jwks": jwks, "token": forged })];
    let [good, bad] = <[Value; 2]>::try_from(judged(&cases)).unwrap();
    assert_eq!((&good["ok"], &bad["ok"]), (&json!(true), &json!(false)));
    assert_eq!(good["header"]["typ"], "at+jwt");
    let me = admin.get("/api/v1/auth/me").await.expect(200);
    let claims = &good["claims"];
    assert_eq!(claims["sub"], me["id"]);
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(gate.url), &json!(gate.url)));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
}

/// Signs what the server signs.
struct Forge {
    key: SigningKey,
    header: Header,
}

impl Forge {
    fn with(key: SigningKey, kid: &Value) -> Forge {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".into());
        header.kid = kid.as_str().map(str::to_owned);
        Forge { key, header }
    }

    fn sign(&self, claims: &Value) -> String {
        let der = self.key.to_pkcs8_der().unwrap();
        encode(&self.header, claims, &EncodingKey::from_ed_der(der.as_bytes())).unwrap()
    }
}

#[tokio::test]
async fn a_token_that_is_not_ours_for_us_and_of_now_is_refused() {
    let gate = Setup::new().with("auth.issuer", "gate").with("auth.audience", "gate").start();
    let admin = gate.admin().await;
    let token = admin.token.unwrap();
    let claims = part(&token, 1);
    let kid = &part(&token, 0)["kid"];
    let ours = keys::load_or_create(&gate.folder.path().join("access.key")).unwrap();
    let public = BASE64.encode(ours.verifying_key().as_bytes());
    let ours = Forge::with(ours, kid);
    let theirs = Forge::with(SigningKey::from_bytes(&[7; 32]), kid);
    let changed = |change: Value| {
        let mut claims = claims.clone();
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().shift_remove(name)),
                _ => claims[name] = value.clone(),
            }
        }
        claims
    };
    let answer = |token: String| {
        let caller = Caller::new(&gate.url, Some(&token));
        async move { caller.get("/api/v1/auth/me").await }
    };
    // The forge works: what is refused below is refused for what was changed.
    answer(ours.sign(&changed(json!({ "jti": claims["sid"] })))).await.expect(200);

    let bodies = [
        json!({ "exp": claims["iat"] }),
        json!({ "exp": 0 }),
        json!({ "exp": -1 }),
        json!({ "exp": null }),
        json!({ "aud": "another" }),
        json!({ "aud": null }),
        json!({ "iss": "another" }),
        json!({ "iss": null }),
        json!({ "sub": null }),
        json!({ "sub": "01999999-9999-7999-8999-999999999999" }),
        json!({ "kind": "agent" }),
        json!({ "sid": null }),
    ];
    let mut tokens: Vec<String> = bodies.into_iter().map(|it| ours.sign(&changed(it))).collect();
    tokens.push(theirs.sign(&claims));
    let headers = [
        json!({ "alg": "none", "typ": "at+jwt", "kid": kid }),
        json!({ "alg": "None", "typ": "at+jwt", "kid": kid }),
        json!({ "alg": "HS256", "typ": "at+jwt", "kid": kid }),
        json!({ "alg": "EdDSA", "typ": "JWT", "kid": kid }),
        json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "another" }),
        json!({ "alg": "EdDSA", "typ": "at+jwt" }),
    ];
    let [_, body, signature] = <[&str; 3]>::try_from(token.split('.').collect::<Vec<_>>()).unwrap();
    for header in headers {
        let head = BASE64.encode(header.to_string());
        let signed = format!("{head}.{body}");
        let fresh = BASE64.encode(ours.key.sign(signed.as_bytes()).to_bytes());
        for signature in ["", signature, &fresh] {
            tokens.push(format!("{signed}.{signature}"));
        }
    }
    tokens.push(with_public_key_as_secret(&claims, kid, &public));
    tokens.push(format!("{token}.{token}"));
    tokens.push(format!("{token}="));
    for token in tokens {
        let refused = answer(token.clone()).await;
        assert_eq!(refused.status, 401, "{} {}", part(&token, 0), part(&token, 1));
        refused.problem(401, "unauthenticated");
    }
    answer(token).await.expect(200);
}

/// The classic confusion: a MAC made with what everybody may know.
fn with_public_key_as_secret(claims: &Value, kid: &Value, public: &str) -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some("at+jwt".into());
    header.kid = kid.as_str().map(str::to_owned);
    encode(&header, claims, &EncodingKey::from_secret(public.as_bytes())).unwrap()
}
