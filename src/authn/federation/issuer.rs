//! Checking that a token is an issuer's own.

use std::sync::Arc;

use jsonwebtoken::Algorithm;
use serde_json::Value;
use url::Url;

use super::Federation;
use super::untrusted::Untrusted;
use crate::authn::proofs::{Claims, KeySet, Unverified};
use crate::net::outbound::Reach;
use crate::settings::{IssuerName, IssuerUrl, Signing};

pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// How far ahead the issuer's clock may be, in seconds.
const SKEW_MAX: i64 = 60;
const SUBJECT_CHARS_MAX: usize = 255;

/// An issuer, and what its signatures must be.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub name: String,
    /// As it stands in `iss`.
    pub url: String,
    algorithms: Vec<Algorithm>,
    jwks_uri: Option<Url>,
}

impl Issuer {
    pub fn new(
        name: &IssuerName,
        url: &IssuerUrl,
        algorithms: &[Signing],
        jwks_uri: Option<&Url>,
    ) -> Issuer {
        let algorithm = |it: &Signing| match it {
            Signing::RS256 => Algorithm::RS256,
            Signing::PS256 => Algorithm::PS256,
            Signing::ES256 => Algorithm::ES256,
            Signing::EdDSA => Algorithm::EdDSA,
        };
        Issuer {
            name: name.as_str().to_owned(),
            url: url.as_str().to_owned(),
            algorithms: algorithms.iter().map(algorithm).collect(),
            jwks_uri: jwks_uri.cloned(),
        }
    }

    /// How far calls to a URL go that this issuer named: the operator named the issuer's own host,
    /// and no other.
    pub fn reach(&self, url: &Url) -> Reach {
        if self.owns(url) { Reach::Configured } else { Reach::Public }
    }

    /// Whether a URL is at the issuer's own origin.
    pub fn owns(&self, url: &Url) -> bool {
        Url::parse(&self.url).is_ok_and(|it| it.origin() == url.origin())
    }
}

/// A token that its issuer made, and that is in its time.
#[derive(Debug)]
pub struct Believed {
    pub claims: Claims,
    pub algorithm: Algorithm,
    pub subject: String,
}

impl Believed {
    /// Whether it is for this audience, and for nobody else.
    pub fn is_for_only(&self, audience: &str) -> bool {
        match self.claims.get("aud") {
            Some(Value::Array(all)) => !all.is_empty() && all.iter().all(|it| it == audience),
            Some(one) => one == audience,
            None => false,
        }
    }
}

/// Whether a token says that it is for this audience, among others.
pub fn names(audience: Option<&Value>, wanted: &str) -> bool {
    match audience {
        Some(Value::Array(all)) => all.iter().any(|it| it == wanted),
        Some(one) => one == wanted,
        None => false,
    }
}

impl Federation {
    /// Checks signature, issuer, time and subject; whom it is for is checked by whoever asks.
    pub(super) async fn believe(
        &self,
        issuer: &Issuer,
        token: Unverified<'_>,
    ) -> Result<Believed, Untrusted> {
        let algorithm = token.algorithm;
        if !issuer.algorithms.contains(&algorithm) {
            return Err(Untrusted::Algorithm);
        }
        // What is typed is something else, such as an access token (RFC 8725 section 3.11).
        if token.header.contains_key("typ") && !token.is_typed("JWT") && !token.is_typed("JOSE") {
            return Err(Untrusted::Type);
        }
        let key_id = match token.header.get("kid") {
            Some(it) => Some(it.as_str().ok_or(Untrusted::Key)?.to_owned()),
            None => None,
        };
        let keys = self.keys_of(issuer, key_id.as_deref(), algorithm).await?;
        let key = keys.choose(key_id.as_deref(), algorithm).ok_or(Untrusted::Key)?;
        let claims = token.verified(key)?;
        if claims.text("iss") != Some(&issuer.url) {
            return Err(Untrusted::Issuer);
        }
        if !is_of_this_time(&claims, self.clock.micros() / 1_000_000) {
            return Err(Untrusted::Time);
        }
        let subject = claims.text("sub").filter(|it| (1..=SUBJECT_CHARS_MAX).contains(&it.len()));
        let subject = subject.ok_or(Untrusted::Subject)?.to_owned();
        Ok(Believed { claims, algorithm, subject })
    }

    async fn keys_of(
        &self,
        issuer: &Issuer,
        key_id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<KeySet>, Untrusted> {
        let (url, reach) = match &issuer.jwks_uri {
            Some(it) => (it.clone(), Reach::Configured),
            None => {
                let url = self.discover(issuer).await?.jwks_uri.clone();
                let reach = issuer.reach(&url);
                (url, reach)
            }
        };
        Ok(self.keys.with_key(&url, reach, key_id, algorithm).await?)
    }
}

/// A token without an end is not believed, nor one that says of itself when it begins in other
/// than numbers.
fn is_of_this_time(claims: &Claims, now: i64) -> bool {
    let begun = |name| match claims.get(name) {
        Some(_) => claims.seconds(name).is_some_and(|it| it <= now + SKEW_MAX),
        None => true,
    };
    claims.seconds("exp").is_some_and(|it| now < it) && begun("nbf") && begun("iat")
}
