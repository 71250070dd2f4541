//! Somebody who holds a key and proves it with every request (RFC 9449).

use std::cell::Cell;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use gatewright::clock::Clock;
use http::{HeaderMap, HeaderValue, header};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::place::ISSUER;

pub struct Holder {
    jwk: Value,
    key: EncodingKey,
    proofs: Cell<u64>,
}

impl Holder {
    /// Holds a key of P-256, as most clients do.
    pub fn new() -> Holder {
        let pair = rcgen::KeyPair::generate().unwrap();
        let (x, y) = pair.public_key_raw()[1..].split_at(32);
        let (x, y) = (BASE64.encode(x), BASE64.encode(y));
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
        let key = EncodingKey::from_ec_der(&pair.serialize_der());
        Holder { jwk, key, proofs: Cell::default() }
    }

    /// The headers of a request with a fresh proof, and with the token where there is one.
    pub fn headers(&self, method: &str, path: &str, token: Option<&str>) -> HeaderMap {
        let id = self.proofs.replace(self.proofs.get() + 1).to_string();
        let claims = json!({
            "htm": method, "htu": format!("{ISSUER}{path}"), "jti": id,
            "iat": Clock::system().now().as_second(),
            "ath": token.map(|it| BASE64.encode(Sha256::digest(it))),
        });
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk });
        let body = BASE64.encode(claims.to_string());
        let message = format!("{}.{body}", BASE64.encode(header.to_string()));
        let signed = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, Algorithm::ES256);
        let proof = HeaderValue::from_str(&format!("{message}.{}", signed.unwrap())).unwrap();
        let mut headers = HeaderMap::from_iter([("dpop".parse().unwrap(), proof)]);
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("DPoP {token}")).unwrap();
            headers.insert(header::AUTHORIZATION, value);
        }
        headers
    }
}
