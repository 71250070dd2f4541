//! Clients that prove themselves by a signature (`private_key_jwt`: RFC 7523 section 3, OpenID
//! Connect Core section 9).

use jsonwebtoken::Algorithm;
use serde_json::Value;

use super::jws::{Claims, Unverified};
use super::{BadJws, KeySet};

/// The one `client_assertion_type` there is (RFC 7523 section 2.2).
pub const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const ASSERTION_BYTES_MAX: usize = 8 * 1024;
const ID_CHARS_MAX: usize = 256;
/// How long an assertion is accepted, in seconds, whatever it says itself.
const LIFE_MAX: i64 = 300;
/// How far ahead the client's clock may be, in seconds.
const SKEW_MAX: i64 = 60;

/// Why an assertion proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAssertion {
    #[error("`client_assertion_type` must be `{CLIENT_ASSERTION_TYPE}`")]
    Kind,
    #[error("the client assertion {0}")]
    Jws(#[from] BadJws),
    #[error("the client assertion must have no `typ`, or `JWT`, or `client-authentication+jwt`")]
    Type,
    #[error("the client assertion must have the client's id as `iss` and as `sub`")]
    Subject,
    /// The same for an unknown client, an unknown key and a bad signature.
    #[error(
        "the client assertion is not signed by the key that the client registered for its `alg` and `kid`"
    )]
    Key,
    #[error("the client assertion must have this server's issuer as `aud`, and nobody else")]
    Audience,
    #[error(
        "the client assertion must have an `exp` that is ahead, \
         and be made within the last {LIFE_MAX} s"
    )]
    Time,
    #[error("the client assertion must have a `jti` of 1 to {ID_CHARS_MAX} characters")]
    Id,
    #[error("the client assertion was used before; make a new one")]
    Used,
}

/// An assertion that was read. Nothing in it is proven.
#[derive(Debug)]
pub struct Assertion<'a> {
    token: Unverified<'a>,
    subject: String,
}

impl<'a> Assertion<'a> {
    /// Reads `client_assertion_type` and `client_assertion`.
    pub fn read(kind: &str, text: &'a str) -> Result<Assertion<'a>, BadAssertion> {
        if kind != CLIENT_ASSERTION_TYPE {
            return Err(BadAssertion::Kind);
        }
        let token = Unverified::read(text, ASSERTION_BYTES_MAX)?;
        let typed = token.header.contains_key("typ");
        if typed && !token.is_typed("JWT") && !token.is_typed("client-authentication+jwt") {
            return Err(BadAssertion::Type);
        }
        let subject = token.unproven_subject().ok_or(BadAssertion::Subject)?.to_owned();
        Ok(Assertion { token, subject })
    }

    /// Whom the assertion says it comes from: to find the keys by, and for nothing else.
    pub fn claimed(&self) -> &str {
        &self.subject
    }

    /// The key that it says it is made with, and how: to find the keys by, and for nothing else.
    pub fn made_with(&self) -> (Option<&str>, Algorithm) {
        let key_id = self.token.header.get("kid").and_then(Value::as_str);
        (key_id, self.token.algorithm)
    }

    /// Checks it with the keys that the client registered, for a server of these names, at `now`
    /// in seconds since the epoch. Where its header says that keys are found counts for nothing.
    pub fn verified(
        self,
        keys: &KeySet,
        server: &[&str],
        now: i64,
    ) -> Result<ProvenClient, BadAssertion> {
        let key_id = match self.token.header.get("kid") {
            Some(it) => Some(it.as_str().ok_or(BadAssertion::Key)?),
            None => None,
        };
        let key = keys.choose(key_id, self.token.algorithm).ok_or(BadAssertion::Key)?;
        let claims = self.token.verified(key).map_err(|_| BadAssertion::Key)?;
        let subject = Some(self.subject.as_str());
        if claims.text("iss") != subject || claims.text("sub") != subject {
            return Err(BadAssertion::Subject);
        }
        if !is_for(&claims, server) {
            return Err(BadAssertion::Audience);
        }
        let until = until(&claims, now).ok_or(BadAssertion::Time)?;
        let id = claims.text("jti").filter(|it| (1..=ID_CHARS_MAX).contains(&it.chars().count()));
        let id = id.ok_or(BadAssertion::Id)?.to_owned();
        Ok(ProvenClient { client: self.subject, id, until })
    }
}

/// A sound assertion that is not used up yet.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an assertion that is not used up can be replayed"]
pub struct ProvenClient {
    /// Who made it.
    pub client: String,
    /// Its `jti`, which counts once.
    pub id: String,
    /// The instant from which it is not accepted any more, in seconds since the epoch.
    pub until: i64,
}

/// One who is also named could use the assertion here in the client's name.
fn is_for(claims: &Claims, server: &[&str]) -> bool {
    let ours = |it: &Value| it.as_str().is_some_and(|it| server.contains(&it));
    match claims.get("aud") {
        Some(Value::Array(all)) => !all.is_empty() && all.iter().all(ours),
        Some(one) => ours(one),
        None => false,
    }
}

/// The instant from which it is not accepted any more; none when that is past, or its times make no sense.
/// A client may set a far expiry, but what it signed longer ago than [`LIFE_MAX`] is not accepted.
fn until(claims: &Claims, now: i64) -> Option<i64> {
    let expires_at = claims.seconds("exp")?;
    let given = |name| claims.get(name).map(|_| claims.seconds(name));
    let until = match given("iat") {
        Some(made_at) => {
            let made_at = made_at.filter(|it| *it <= now + SKEW_MAX)?;
            expires_at.min(made_at + LIFE_MAX)
        }
        None if expires_at <= now + LIFE_MAX => expires_at,
        None => return None,
    };
    let begun = given("nbf").is_none_or(|it| it.is_some_and(|it| it <= now + SKEW_MAX));
    (begun && now < until).then_some(until)
}
