//! The issuer's published root keys: how they are written down and which one a token needs.

use biscuit_auth::{Algorithm, PublicKey};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::refusal::{Reason, Refusal};

/// How far a verifier's clock may run behind the issuer's before a fresh key looks premature.
pub(crate) const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// The only kind of root key: secp256r1 signatures can be altered by anyone and stay valid, so
/// that a revocation by signature could be evaded.
pub const ALGORITHM: &str = "ed25519";

/// The document at `/.well-known/biscuit-keys.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysDocument {
    pub keys: Vec<PublishedKey>,
    /// The public URL of the Gatewright that signs with these keys.
    pub issuer: String,
}

/// One root key, as anyone may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedKey {
    pub key_id: u32,
    /// `ed25519`; keys of any other kind are passed over.
    pub algorithm: String,
    /// 32 bytes in hexadecimal.
    pub public_key: String,
    pub not_before: Timestamp,
    /// When the last credential that it signed will have expired; `null` while it signs.
    pub not_after: Option<Timestamp>,
}

/// A published key that is not one.
#[derive(Debug, thiserror::Error)]
#[error("root key {key_id} is not an ed25519 public key in hexadecimal")]
pub struct BadKey {
    pub key_id: u32,
    #[source]
    cause: biscuit_auth::error::Format,
}

/// The published keys, read once, ready to verify with.
#[derive(Clone, Debug)]
pub(crate) struct KeySet {
    keys: Vec<(PublishedKey, PublicKey)>,
}

impl KeySet {
    pub(crate) fn read(document: &KeysDocument) -> Result<KeySet, BadKey> {
        let keys = document.keys.iter().filter(|it| it.algorithm == ALGORITHM);
        let keys = keys.map(|it| Ok((it.clone(), it.parse()?))).collect::<Result<_, _>>()?;
        Ok(KeySet { keys })
    }

    /// The key with this id, if it may be relied on at `now`.
    pub(crate) fn choose(&self, id: Option<u32>, now: Timestamp) -> Result<PublicKey, Refusal> {
        let Some(id) = id else {
            return Err(Refusal::new(Reason::Malformed, "the token does not name its root key"));
        };
        let Some((published, key)) = self.keys.iter().find(|(it, _)| it.key_id == id) else {
            return Err(Refusal::new(Reason::Signature, format!("no root key {id} is published")));
        };
        let premature = now.duration_until(published.not_before) > CLOCK_SKEW;
        if premature || published.not_after.is_some_and(|end| now >= end) {
            return Err(Refusal::new(Reason::Signature, format!("root key {id} is out of date")));
        }
        Ok(*key)
    }
}

impl PublishedKey {
    fn parse(&self) -> Result<PublicKey, BadKey> {
        PublicKey::from_bytes_hex(&self.public_key, Algorithm::Ed25519)
            .map_err(|cause| BadKey { key_id: self.key_id, cause })
    }
}
