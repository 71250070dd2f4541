//! Proofs by honest clients, by RFCs, and by attackers.

mod assertion;
mod dpop;
mod jwk;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD as B64, Engine as _};
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// A key pair of a client.
struct Holder {
    jwk: Value,
    alg: &'static str,
    key: EncodingKey,
}

impl Holder {
    fn ed25519(seed: u8) -> Holder {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        let x = B64.encode(key.verifying_key().as_bytes());
        Holder {
            jwk: json!({ "kty": "OKP", "crv": "Ed25519", "x": x }),
            alg: "EdDSA",
            key: EncodingKey::from_ed_der(key.to_pkcs8_der().unwrap().as_bytes()),
        }
    }

    fn p256() -> Holder {
        let pair = rcgen::KeyPair::generate().unwrap();
        let (x, y) = pair.public_key_raw()[1..].split_at(32);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": B64.encode(x), "y": B64.encode(y) });
        Holder { jwk, alg: "ES256", key: EncodingKey::from_ec_der(&pair.serialize_der()) }
    }

    /// The key under a name, as a set holds it.
    fn named(&self, key_id: &str) -> Value {
        with(&self.jwk, "kid", json!(key_id))
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    fn sign_text(&self, header: &str, claims: &str) -> String {
        let algorithm: Algorithm = self.alg.parse().unwrap();
        signed(header, claims, &self.key, algorithm)
    }
}

fn signed(header: &str, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", B64.encode(header), B64.encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// The object with this member set; `null` takes it away.
fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.as_object().unwrap().clone();
    match value {
        Value::Null => object.remove(name),
        some => object.insert(name.to_owned(), some),
    };
    Value::Object(object)
}

/// RFC 7638 section 3.1; 2048 bits.
const RSA_MODULUS: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
