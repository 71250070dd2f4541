//! DPoP (RFC 9449): whoever uses a bound token proves its key anew with every request.

use std::borrow::Cow;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ed25519_dalek::SigningKey;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::jws::{Claims, Unverified};
use super::{BadJws, BadKey, Nonces, PublicKey, Refused, ReplayMemory, Use};
use crate::authn::Request;
use crate::settings::Origin;

const HEADER: &str = "dpop";
const PROOF_BYTES_MAX: usize = 4 * 1024;
const ID_CHARS_MAX: usize = 256;
/// How far a proof's time may be from ours, either way, in seconds.
const SKEW_MAX: i64 = 60;

/// Why a proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    #[error("send one `DPoP` header, not several")]
    Several,
    #[error("the DPoP proof {0}")]
    Jws(#[from] BadJws),
    #[error("the DPoP proof must have the `typ` `dpop+jwt`")]
    Type,
    #[error("the `jwk` of the DPoP proof {0}")]
    Key(#[from] BadKey),
    #[error("the DPoP proof must have the `htm` of this request, its method")]
    Method,
    #[error("the DPoP proof must have the `htu` of this request, its URL without query")]
    Url,
    #[error("the DPoP proof must have an `iat` within {SKEW_MAX} s of now")]
    Time,
    #[error("the DPoP proof must have a `jti` of 1 to {ID_CHARS_MAX} characters")]
    Id,
    #[error("the DPoP proof must have the `ath` of the token that it comes with")]
    Token,
    #[error("the DPoP proof must have the `nonce` of this answer's `DPoP-Nonce`, or none")]
    Nonce { fresh: String },
    #[error("the DPoP proof {0}")]
    Use(#[from] Refused),
}

impl BadProof {
    /// The error's name (RFC 9449 sections 5 and 8).
    pub fn code(&self) -> &'static str {
        match self {
            BadProof::Nonce { .. } => "use_dpop_nonce",
            _ => "invalid_dpop_proof",
        }
    }
}

/// A sound proof that is not used up yet. Its key counts once [`Dpop::spend`] has taken it.
#[derive(Debug)]
#[must_use = "a proof that is not spent can be replayed"]
pub struct KeyProof {
    key: String,
    id: String,
    made_at: i64,
}

impl KeyProof {
    /// The thumbprint of the key that made it, to be compared with the one that a token is bound
    /// to before the proof is spent: strangers' proofs must not fill the memory.
    pub fn is_by(&self, thumbprint: &str) -> bool {
        self.key == thumbprint
    }
}

/// Checks proofs for the server at one address.
pub struct Dpop {
    server: Origin,
    nonces: Nonces,
    used: ReplayMemory,
    /// What an earlier process saw is not known here, so what is older proves nothing.
    since: i64,
}

impl Dpop {
    /// Proofs for requests to `server`, from `now` on, in seconds since the epoch.
    pub fn new(server: Origin, key: &SigningKey, now: i64) -> Dpop {
        Dpop { server, nonces: Nonces::new(key), used: ReplayMemory::new(), since: now }
    }

    /// The proof that comes with this request, if there is one, at `now`, and for this token where
    /// one comes with it.
    pub fn read(
        &self,
        request: Request<'_>,
        token: Option<&str>,
        now: i64,
    ) -> Result<Option<KeyProof>, BadProof> {
        let mut values = request.headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(BadProof::Several);
        }
        let text = value.to_str().map_err(|_| BadJws::Shape)?;
        self.check(text, request, token, now).map(Some)
    }

    /// RFC 9449 section 4.3, all of it but the replay.
    fn check(
        &self,
        text: &str,
        request: Request<'_>,
        token: Option<&str>,
        now: i64,
    ) -> Result<KeyProof, BadProof> {
        let proof = Unverified::read(text, PROOF_BYTES_MAX)?;
        if !proof.is_typed("dpop+jwt") {
            return Err(BadProof::Type);
        }
        let key = PublicKey::parse(proof.header.get("jwk").unwrap_or(&Value::Null))?;
        let claims = proof.verified(&key)?;
        if claims.text("htm") != Some(request.method.as_str()) {
            return Err(BadProof::Method);
        }
        let server = request.server.unwrap_or(&self.server);
        if !claims.text("htu").is_some_and(|it| names(it, server, request.path)) {
            return Err(BadProof::Url);
        }
        let made_at = claims.seconds("iat").ok_or(BadProof::Time)?;
        if (now - made_at).abs() > SKEW_MAX || made_at < self.since {
            return Err(BadProof::Time);
        }
        if token.is_some_and(|it| claims.text("ath") != Some(&digest(it))) {
            return Err(BadProof::Token);
        }
        self.check_nonce(&claims, now)?;
        let id = claims.text("jti").filter(|it| (1..=ID_CHARS_MAX).contains(&it.chars().count()));
        let id = id.ok_or(BadProof::Id)?.to_owned();
        Ok(KeyProof { key: key.thumbprint().to_owned(), id, made_at })
    }

    /// A nonce need not be there, but one that is there is ours and fresh.
    fn check_nonce(&self, claims: &Claims, now: i64) -> Result<(), BadProof> {
        let Some(nonce) = claims.get("nonce") else { return Ok(()) };
        let ours = nonce.as_str().is_some_and(|it| self.nonces.recognises(it, now));
        if ours { Ok(()) } else { Err(BadProof::Nonce { fresh: self.nonces.issue(now) }) }
    }

    /// Uses the proof up, and gives the thumbprint of the key that made it.
    pub fn spend(&self, proof: KeyProof, now: i64) -> Result<String, BadProof> {
        let until = proof.made_at + SKEW_MAX;
        self.used.admit(Use { holder: &proof.key, id: &proof.id, until }, now)?;
        Ok(proof.key)
    }
}

/// Whether `htu` names this path of this server, apart from query and fragment, as RFC 3986
/// sections 6.2.2 and 6.2.3 compare.
fn names(htu: &str, server: &Origin, path: &str) -> bool {
    let htu = htu.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = htu.split_once("://") else { return false };
    let (authority, given) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let origin = format!("{scheme}://{authority}").parse::<Origin>();
    origin.is_ok_and(|it| it == *server) && normal(given) == normal(path)
}

/// The path with its unreserved characters in the clear, and the rest of its escapes in capitals.
fn normal(path: &str) -> Cow<'_, str> {
    let mut pieces = path.split('%');
    let first = pieces.next().unwrap_or_default();
    if first.len() == path.len() {
        return Cow::Borrowed(path);
    }
    let mut normal = first.to_owned();
    for piece in pieces {
        match escape(piece) {
            Some((byte, rest)) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                normal.push(char::from(byte));
                normal.push_str(rest);
            }
            Some((byte, rest)) => normal.push_str(&format!("%{byte:02X}{rest}")),
            None => normal.extend(["%", piece]),
        }
    }
    Cow::Owned(normal)
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn escape(piece: &str) -> Option<(u8, &str)> {
    let (digits, rest) = piece.split_at_checked(2)?;
    // The parser would take a sign as well.
    let digits = Some(digits).filter(|it| it.bytes().all(|it| it.is_ascii_hexdigit()))?;
    Some((u8::from_str_radix(digits, 16).ok()?, rest))
}

fn digest(token: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_compared_as_a_url() {
        let server: Origin = "https://gate.example".parse().unwrap();
        for (htu, path, same) in [
            ("https://gate.example/a/b", "/a/b", true),
            ("HTTPS://GATE.example:443/a/b?c#d", "/a/b", true),
            ("https://gate.example", "/", true),
            ("https://gate.example?x", "/", true),
            ("https://gate.example/a%2db%2f", "/a-b%2F", true),
            ("https://gate.example/%41", "/A", true),
            ("https://gate.example/a%2Fb", "/a/b", false),
            ("https://gate.example/a%", "/a%", true),
            ("https://gate.example/a%+1", "/a%01", false),
            ("https://gate.example/a/b/", "/a/b", false),
            ("https://gate.example/A/b", "/a/b", false),
            ("http://gate.example/a/b", "/a/b", false),
            ("https://gate.example:8443/a/b", "/a/b", false),
            ("https://gate.example.evil/a/b", "/a/b", false),
            ("https://evil@gate.example/a/b", "/a/b", false),
            ("https://gate.example@evil/a/b", "/a/b", false),
            ("https:gate.example/a/b", "/a/b", false),
            ("/a/b", "/a/b", false),
            ("", "/", false),
        ] {
            assert_eq!(names(htu, &server, path), same, "{htu} {path}");
        }
    }
}
