//! Signed JWTs in compact form (RFC 7515 section 7.1) that were made by somebody else.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::PublicKey;
use crate::http::distinct;

/// The algorithms that are accepted, as metadata names them (RFC 7518, RFC 9864).
pub const ALGORITHMS: &[&str] = &["ES256", "EdDSA", "Ed25519", "PS256", "RS256"];

/// What would change how the token is read: encryption, compression, a token within the token,
/// extensions that must be understood. None of it is.
const REFUSED: &[&str] = &["crit", "cty", "enc", "zip", "b64"];

/// Why a text is not a signed JWT that counts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadJws {
    #[error("is too long")]
    TooLong,
    #[error("is not a signed JWT: three parts of base64url with a dot between them")]
    Shape,
    #[error("has a header or a body that is not a JSON object with every member once")]
    Json,
    #[error("has `{0}` in its header, which is not accepted")]
    Header(&'static str),
    #[error("names an algorithm that is not accepted, or that its key is not for")]
    Algorithm,
    #[error("is not signed by its key")]
    Signature,
}

/// A token whose header was read. What it claims is shown only to whoever brings the key.
#[derive(Debug)]
pub struct Unverified<'a> {
    pub header: Map<String, Value>,
    pub algorithm: Algorithm,
    /// Header and body as they were signed.
    signed: &'a str,
    claims: Map<String, Value>,
    signature: &'a str,
}

impl<'a> Unverified<'a> {
    /// Reads a token of at most `bytes_max` bytes.
    pub fn read(token: &'a str, bytes_max: usize) -> Result<Unverified<'a>, BadJws> {
        if token.len() > bytes_max {
            return Err(BadJws::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(BadJws::Shape)?;
        let (header, body) = signed.split_once('.').ok_or(BadJws::Shape)?;
        // Here fails what has five parts (RFC 7516), for a dot is no base64url.
        let (header, claims) = (object(header)?, object(body)?);
        if let Some(it) = REFUSED.iter().find(|it| header.contains_key(**it)) {
            return Err(BadJws::Header(it));
        }
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(algorithm);
        let algorithm = algorithm.ok_or(BadJws::Algorithm)?;
        Ok(Unverified { header, algorithm, signed, claims, signature })
    }

    /// Whether the header's `typ` is this one (RFC 8725 section 3.11).
    pub fn is_typed(&self, typ: &str) -> bool {
        let given = self.header.get("typ").and_then(Value::as_str);
        given.is_some_and(|it| it.eq_ignore_ascii_case(typ))
    }

    /// What the token says: to find the key by, and for nothing else.
    pub fn unproven(&self, claim: &str) -> Option<&Value> {
        self.claims.get(claim)
    }

    /// Whom the token says it is about: to find the key by, and for nothing else.
    pub fn unproven_subject(&self) -> Option<&str> {
        self.unproven("sub").and_then(Value::as_str)
    }

    /// What the token claims, if this key signed it with an algorithm that the key is for.
    pub fn verified(self, by: &PublicKey) -> Result<Claims, BadJws> {
        if !by.is_for(self.algorithm) {
            return Err(BadJws::Algorithm);
        }
        let message = self.signed.as_bytes();
        let (key, algorithm) = (by.decoding(), self.algorithm);
        match jsonwebtoken::crypto::verify(self.signature, message, key, algorithm) {
            Ok(true) => Ok(Claims(self.claims)),
            Ok(false) | Err(_) => Err(BadJws::Signature),
        }
    }
}

/// What a verified token says.
#[derive(Debug)]
pub struct Claims(Map<String, Value>);

impl Claims {
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// A NumericDate (RFC 7519 section 2) in whole seconds; none when it is something else.
    pub fn seconds(&self, name: &str) -> Option<i64> {
        /// The year 5138; what is above it is milliseconds, or an attempt to overflow.
        const MAX: f64 = 1e11;
        let seconds = self.get(name)?.as_f64()?;
        (0.0..MAX).contains(&seconds).then_some(seconds as i64)
    }
}

/// The algorithm of this name, of those that are accepted. There is no `none` among them, and none
/// whose key is a secret that both sides know.
pub fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" | "Ed25519" => Some(Algorithm::EdDSA),
        "PS256" => Some(Algorithm::PS256),
        "RS256" => Some(Algorithm::RS256),
        _ => None,
    }
}

/// One part as the JSON object that it must be.
fn object(part: &str) -> Result<Map<String, Value>, BadJws> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| BadJws::Shape)?;
    if distinct::repeated(&bytes).is_some() {
        return Err(BadJws::Json);
    }
    serde_json::from_slice(&bytes).map_err(|_| BadJws::Json)
}
