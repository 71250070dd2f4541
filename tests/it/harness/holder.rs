//! Somebody who holds a private key, and signs with it.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use gatewright::clock::Clock;
use jsonwebtoken::{Algorithm, EncodingKey};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Answer, Caller, Gate, send};

pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A key pair: of Ed25519, or of P-256.
pub struct Holder {
    pub jwk: Value,
    pub algorithm: Algorithm,
    key: EncodingKey,
}

impl Holder {
    pub fn ed25519(seed: u8) -> Holder {
        Holder::of(&SigningKey::from_bytes(&[seed; 32]))
    }

    pub fn of(key: &SigningKey) -> Holder {
        let x = BASE64.encode(key.verifying_key().as_bytes());
        Holder {
            jwk: json!({ "kty": "OKP", "crv": "Ed25519", "x": x }),
            algorithm: Algorithm::EdDSA,
            key: EncodingKey::from_ed_der(key.to_pkcs8_der().unwrap().as_bytes()),
        }
    }

    pub fn p256() -> Holder {
        let pair = rcgen::KeyPair::generate().unwrap();
        let (x, y) = pair.public_key_raw()[1..].split_at(32);
        let (x, y) = (BASE64.encode(x), BASE64.encode(y));
        Holder {
            jwk: json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }),
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_der(&pair.serialize_der()),
        }
    }

    /// A JWK set of this key alone, by this name.
    pub fn jwks(&self, key_id: &str) -> Value {
        json!({ "keys": [merged(&self.jwk, &json!({ "kid": key_id }))] })
    }

    /// A token with this header and these claims, as they are.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), claims.to_string().as_bytes())
    }

    /// The same of whatever they are.
    pub fn sign_text(&self, header: &str, claims: &[u8]) -> String {
        let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    /// A client assertion for this server; `change` are claims that are others than they should be.
    pub fn assertion(&self, server: &str, client: &str, key_id: &str, change: &Value) -> String {
        let claims = json!({
            "iss": client, "sub": client, "aud": server, "jti": fresh_id(),
            "iat": now(), "exp": now() + 60,
        });
        let header = json!({ "alg": self.alg(), "kid": key_id });
        self.sign(&header, &merged(&claims, change))
    }

    /// A DPoP proof for a request with this token; `change` as above.
    pub fn proof(&self, method: &str, url: &str, token: Option<&str>, change: &Value) -> String {
        let digest = token.map(|it| BASE64.encode(Sha256::digest(it)));
        let claims = json!({
            "htm": method, "htu": url, "iat": now(), "jti": fresh_id(), "ath": digest,
        });
        let header = json!({ "typ": "dpop+jwt", "alg": self.alg(), "jwk": self.jwk });
        self.sign(&header, &merged(&claims, change))
    }

    /// The name of its algorithm.
    pub fn alg(&self) -> String {
        format!("{:?}", self.algorithm)
    }

    /// A request as the holder of the bound token sends it.
    pub fn request(&self, gate: &Gate, method: Method, path: &str, token: &str) -> RequestBuilder {
        let proof =
            self.proof(method.as_str(), &format!("{}{path}", gate.url), Some(token), &json!({}));
        with_proof(&gate.anyone(), method, path, token, &proof)
    }
}

/// A request with a bound token and this proof.
pub fn with_proof(
    caller: &Caller,
    method: Method,
    path: &str,
    token: &str,
    proof: &str,
) -> RequestBuilder {
    let request = caller.request(method, path).header("dpop", proof);
    request.header("authorization", format!("DPoP {token}"))
}

/// Asks for a token with this assertion.
pub async fn by_assertion(gate: &Gate, assertion: &str, more: &[(&str, &str)]) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ];
    send(gate.anyone().request(Method::POST, "/oauth/token").form(&[&form, more].concat())).await
}

/// The object with other members; what is `null` is left out.
pub fn merged(object: &Value, change: &Value) -> Value {
    let members = object.as_object().unwrap().iter().chain(change.as_object().unwrap());
    let mut merged = serde_json::Map::new();
    for (name, value) in members {
        merged.insert(name.clone(), value.clone());
    }
    merged.retain(|_, value| !value.is_null());
    Value::Object(merged)
}

pub fn now() -> i64 {
    Clock::system().now().as_second()
}

pub fn fresh_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
