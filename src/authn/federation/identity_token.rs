//! What an identity token must say besides being the issuer's own (OpenID Connect Core section
//! 3.1.3.7).

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use jsonwebtoken::Algorithm;
use sha2::{Digest as _, Sha256, Sha512};

use super::Provider;
use super::issuer::Believed;
use super::untrusted::Untrusted;

/// How old it may be, in seconds: it was made for this sign-in.
const AGE_MAX: i64 = 300;

/// That the token is the answer to this very sign-in, and for nobody else.
pub(super) fn check(
    provider: &Provider,
    believed: &Believed,
    nonce: &str,
    access_token: Option<&str>,
    now: i64,
) -> Result<(), Untrusted> {
    let claims = &believed.claims;
    let authorized = claims.get("azp").is_none_or(|it| *it == provider.client_id.as_str());
    if !believed.is_for_only(&provider.client_id) || !authorized {
        return Err(Untrusted::Audience);
    }
    if claims.text("nonce") != Some(nonce) {
        return Err(Untrusted::Nonce);
    }
    if claims.seconds("iat").is_none_or(|it| it + AGE_MAX < now) {
        return Err(Untrusted::Time);
    }
    match (claims.get("at_hash"), access_token) {
        (None, _) => Ok(()),
        (Some(hash), Some(token)) if *hash == half_hash(token, believed.algorithm) => Ok(()),
        (Some(_), _) => Err(Untrusted::AccessToken),
    }
}

/// The left half of a hash of the same strength as the signature (OpenID Connect Core section
/// 3.1.3.6).
fn half_hash(token: &str, algorithm: Algorithm) -> String {
    let whole = match algorithm {
        Algorithm::EdDSA => Sha512::digest(token).to_vec(),
        _ => Sha256::digest(token).to_vec(),
    };
    let half = whole.get(..whole.len() / 2).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.encode(half)
}
