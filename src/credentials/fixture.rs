//! One credential and its verifier, for tests to spoil.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use super::keys::{KeyRing, KeysDocument};
use super::mint::{Draft, mint};
use super::verify::{Refusal, Request, Revocations, Verified, Verifier};

pub(crate) const ISSUER: &str = "https://gate.example.com";
pub(crate) const DIGEST: &str = "sha256:2c26b46b";
pub(crate) const HOLDER: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
/// When everything happens.
pub(crate) static NOW: LazyLock<Timestamp> =
    LazyLock::new(|| "2026-11-21T22:00:00Z".parse().unwrap());
pub(crate) static RING: LazyLock<KeyRing> =
    LazyLock::new(|| KeyRing::generate(*NOW - SignedDuration::from_hours(24)));

pub(crate) fn later(seconds: i64) -> Timestamp {
    *NOW + SignedDuration::from_secs(seconds)
}

/// Fifteen minutes of `read` and `translate` on the tool `translate`.
pub(crate) fn draft() -> Draft {
    Draft {
        issuer: ISSUER.to_owned(),
        credential_id: "0199-credential".to_owned(),
        decision_id: "0199-decision".to_owned(),
        agent_id: "0199-agent".to_owned(),
        agent_name: "researcher".to_owned(),
        on_behalf_of: None,
        tool: "translate".to_owned(),
        tool_digest: DIGEST.to_owned(),
        scopes: ["read", "translate"].map(str::to_owned).into(),
        expires_at: later(900),
        holder: None,
        online_only: false,
        checks: Vec::new(),
    }
}

pub(crate) fn token(draft: &Draft) -> String {
    mint(draft, RING.active()).unwrap().token.expose_secret().to_owned()
}

pub(crate) fn document() -> KeysDocument {
    RING.document(ISSUER, *NOW)
}

pub(crate) fn verifier() -> Verifier {
    Verifier::new(&document(), ISSUER).unwrap().tool("translate", Some(DIGEST))
}

/// What the usual verifier says to one use of `scope`, now.
pub(crate) fn verify(token: &str, scope: &str) -> Result<Verified, Refusal> {
    verifier().verify(token, &Request::new(scope), Revocations::Unchecked, *NOW)
}
