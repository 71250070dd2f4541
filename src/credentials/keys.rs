//! Root keys: the one that signs, the ones still published, and the file they are kept in.

use std::fmt;

use biscuit_auth::{Algorithm, Biscuit, BiscuitBuilder, KeyPair, PrivateKey, error};
use jiff::{SignedDuration, Timestamp};

use super::verify::feed::{Page, SignedPage};
use super::verify::keys::ALGORITHM;
pub use super::verify::{KeysDocument, PublishedKey};

mod file;

pub use file::KeyFileError;

/// A private key that signs credentials and revocation feeds. Biscuit's own type prints itself
/// when debugged; this one does not.
pub struct RootKey {
    key_id: u32,
    pair: KeyPair,
}

/// The signing key and every public key that a live credential may need.
#[derive(Debug)]
pub struct KeyRing {
    active: RootKey,
    published: Vec<PublishedKey>,
}

impl RootKey {
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// 32 bytes in hexadecimal.
    pub fn public_key(&self) -> String {
        self.pair.public().to_bytes_hex()
    }

    /// Signs a revocation page of `issuer`.
    pub fn sign(&self, page: Page, issuer: &str) -> Result<SignedPage, error::Format> {
        let signature = self.pair.sign(&page.signed_bytes(issuer, self.key_id))?;
        let signature = hex::encode(signature.to_bytes());
        Ok(SignedPage { page, key_id: self.key_id, signature })
    }

    pub(super) fn build(&self, builder: BiscuitBuilder) -> Result<Biscuit, error::Token> {
        builder.build(&self.pair)
    }

    pub(super) fn from_private(key_id: u32, key: &PrivateKey) -> RootKey {
        RootKey { key_id, pair: KeyPair::from(key) }
    }

    fn published(&self, not_before: Timestamp) -> PublishedKey {
        PublishedKey {
            key_id: self.key_id,
            algorithm: ALGORITHM.to_owned(),
            public_key: self.public_key(),
            not_before,
            not_after: None,
        }
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl KeyRing {
    /// A first key, valid from `now`.
    pub fn generate(now: Timestamp) -> KeyRing {
        let active = fresh(1);
        KeyRing { published: vec![active.published(now)], active }
    }

    /// A new signing key. The old one's private half is dropped, its public half stays published
    /// for `grace`, which must cover the longest life of a credential.
    pub fn rotate(self, now: Timestamp, grace: SignedDuration) -> KeyRing {
        let retired = now.saturating_add(grace).unwrap_or(Timestamp::MAX);
        let last = self.published.iter().map(|it| it.key_id).max().unwrap_or_default();
        let active = fresh(last.saturating_add(1));
        let kept = self
            .published
            .into_iter()
            .map(|it| PublishedKey { not_after: Some(it.not_after.unwrap_or(retired)), ..it });
        KeyRing { published: kept.chain([active.published(now)]).collect(), active }
    }

    /// The key to sign with.
    pub fn active(&self) -> &RootKey {
        &self.active
    }

    /// What `/.well-known/biscuit-keys.json` serves at `now`: keys that no live credential can
    /// need any more are left out.
    pub fn document(&self, issuer: &str, now: Timestamp) -> KeysDocument {
        let needed = self.published.iter().filter(|it| it.not_after.is_none_or(|end| now < end));
        KeysDocument { keys: needed.cloned().collect(), issuer: issuer.to_owned() }
    }
}

fn fresh(key_id: u32) -> RootKey {
    RootKey { key_id, pair: KeyPair::new_with_algorithm(Algorithm::Ed25519) }
}
