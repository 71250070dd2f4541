//! Client secrets: 256 random bits that an agent is known by, shown once.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use rand::TryRngCore as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::store::{Row, Statement};
use crate::{Error, Result};

/// A client secret in the clear: shown once, never stored.
pub struct AgentSecret(SecretString);

impl AgentSecret {
    pub(super) fn generate() -> Result<AgentSecret> {
        let mut bytes = [0u8; 32];
        rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(anyhow::Error::from)?;
        Ok(AgentSecret(format!("gws_{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)).into()))
    }

    /// For the one answer that shows it.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

/// SHA-256 of a secret. The secret has 256 random bits, so a slow hash adds nothing.
type Hash = [u8; 32];

/// What an agent is known by, and what it was known by before a rotation that still counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownBy {
    current: Hash,
    previous: Option<Previous>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Previous {
    hash: Hash,
    /// Microseconds.
    until: i64,
}

impl KnownBy {
    pub fn new(secret: &AgentSecret) -> KnownBy {
        KnownBy { current: hash(&secret.0), previous: None }
    }

    /// A new secret, beside which the current one counts until `overlap_until`, where that is given.
    pub fn rotated(&self, secret: &AgentSecret, overlap_until: Option<i64>) -> KnownBy {
        let previous = overlap_until.map(|until| Previous { hash: self.current, until });
        KnownBy { current: hash(&secret.0), previous }
    }

    /// Whether what was the current secret still counts, for a while or for good.
    pub fn still_takes(&self, before: &KnownBy) -> bool {
        let previous = self.previous.as_ref().map(|it| it.hash);
        self.current == before.current || previous == Some(before.current)
    }

    /// Until when the previous secret counts: microseconds.
    pub fn previous_until(&self) -> Option<i64> {
        self.previous.as_ref().map(|it| it.until)
    }

    /// Whether this is a secret that counts at `now`, in constant time.
    pub fn includes(&self, secret: &SecretString, now: i64) -> bool {
        let hash = hash(secret);
        let previous = self.previous.as_ref().filter(|it| now < it.until);
        let (current, previous) =
            (hash.ct_eq(&self.current), previous.map(|it| hash.ct_eq(&it.hash)));
        current.into() || previous.is_some_and(bool::from)
    }

    /// From the columns `secret_hash`, `previous_secret_hash` and `previous_secret_until`, which
    /// begin at `first`.
    pub fn from_row(row: &Row, first: usize) -> Result<KnownBy> {
        let cut = || Error::internal("a secret's hash is cut");
        let current = row.bytes(first)?.try_into().map_err(|_| cut())?;
        let previous = match (row.opt_bytes(first + 1)?, row.opt_int(first + 2)?) {
            (Some(hash), Some(until)) => {
                Some(Previous { hash: hash.try_into().map_err(|_| cut())?, until })
            }
            _ => None,
        };
        Ok(KnownBy { current, previous })
    }

    /// Binds the three columns, in the order in which they are read.
    pub fn bound_to(&self, statement: Statement) -> Statement {
        let previous = self.previous.as_ref();
        statement
            .bind(self.current.to_vec())
            .bind(previous.map(|it| it.hash.to_vec()))
            .bind(previous.map(|it| it.until))
    }
}

fn hash(secret: &SecretString) -> Hash {
    Sha256::digest(secret.expose_secret().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_secret_counts_until_its_overlap_ends() {
        let [first, second, third] = [(); 3].map(|()| AgentSecret::generate().unwrap());
        let known = KnownBy::new(&first);
        let knows =
            |known: &KnownBy, now| [&first, &second, &third].map(|it| known.includes(&it.0, now));
        assert_eq!(knows(&known, 0), [true, false, false]);
        let known = known.rotated(&second, Some(100));
        assert_eq!(knows(&known, 99), [true, true, false]);
        assert_eq!(knows(&known, 100), [false, true, false]);
        let twice = known.rotated(&third, Some(200));
        assert_eq!(knows(&twice, 50), [false, true, true], "only the last one overlaps");
        assert_eq!(knows(&known.rotated(&third, None), 0), [false, false, true]);
    }
}
