//! Whatever works once: authorization codes, sign-ins that wait for a second factor, ceremonies.
//!
//! A token of this kind names a row. It is spent by a statement in the commit of what it gives, so
//! of any number of uses at the same time, on any number of replicas, one succeeds.

use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use rand::TryRngCore as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::Result;
use crate::clock::Clock;
use crate::store::{Database, Statement};

/// What a single-use token is for. One kind is never taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    AuthorizationCode,
    SecondFactor,
    PasskeyEnrolment,
    PasskeyProof,
    FederationState,
    /// Made by the client that signed it (RFC 7523).
    ClientAssertion,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::AuthorizationCode => "authorization_code",
            Kind::SecondFactor => "second_factor",
            Kind::PasskeyEnrolment => "passkey_enrolment",
            Kind::PasskeyProof => "passkey_proof",
            Kind::FederationState => "federation_state",
            Kind::ClientAssertion => "client_assertion",
        }
    }
}

pub struct SingleUse {
    db: Arc<dyn Database>,
    clock: Clock,
}

/// A row that a token named.
#[derive(Debug)]
pub struct Found {
    kind: Kind,
    hash: [u8; 32],
    bound_to: String,
    body: String,
    session: Option<Uuid>,
    expires_at: i64,
    used: bool,
    now: i64,
}

impl SingleUse {
    pub fn new(db: Arc<dyn Database>, clock: Clock) -> SingleUse {
        SingleUse { db, clock }
    }

    /// A new token, good for `ttl` in the hands of `bound_to`, and the statement that makes it so.
    pub fn issue(
        &self,
        kind: Kind,
        bound_to: &str,
        body: &impl Serialize,
        ttl: Duration,
    ) -> Result<(SecretString, Statement)> {
        let mut bytes = [0u8; 32];
        rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(anyhow::Error::from)?;
        let token = SecretString::from(format!("gwo_{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)));
        let ttl = i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX);
        let insert = Statement::new(
            "INSERT INTO single_use (kind, hash, bound_to, body, expires_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(kind.as_str())
        .bind(hash(&token).to_vec())
        .bind(bound_to)
        .bind(serde_json::to_string(body).map_err(anyhow::Error::from)?)
        .bind(self.clock.micros().saturating_add(ttl))
        .expect_rows(1);
        Ok((token, insert))
    }

    /// The session that came of using what was found, by now.
    pub async fn outcome(&self, found: &Found) -> Result<Option<Uuid>> {
        let rows = self
            .db
            .query(
                "SELECT session_id FROM single_use WHERE kind = $1 AND hash = $2",
                vec![found.kind.as_str().into(), found.hash.to_vec().into()],
            )
            .await?;
        Ok(rows.first().map(|row| row.opt_uuid(0)).transpose()?.flatten())
    }

    /// Uses up a name that `by` made itself, in the commit of what it gives: a conflict there means
    /// that it was used before. It need not be known after `until`, in microseconds.
    pub fn use_up(&self, kind: Kind, by: &str, name: &str, until: i64) -> Statement {
        // Hashed first, so that where one ends and the other begins makes a difference.
        let hash = Sha256::new().chain_update(Sha256::digest(by)).chain_update(name).finalize();
        Statement::new(
            "INSERT INTO single_use (kind, hash, bound_to, body, expires_at, used_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(kind.as_str())
        .bind(hash.to_vec())
        .bind(by)
        .bind("{}")
        .bind(until)
        .bind(self.clock.micros())
        .expect_rows(1)
    }

    /// What the token names, whether or not it may still be used.
    pub async fn recall(&self, kind: Kind, token: &SecretString) -> Result<Option<Found>> {
        let hash = hash(token);
        let rows = self
            .db
            .query(
                "SELECT bound_to, body, session_id, expires_at, used_at FROM single_use
                 WHERE kind = $1 AND hash = $2",
                vec![kind.as_str().into(), hash.to_vec().into()],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(Found {
            kind,
            hash,
            bound_to: row.text(0)?.to_owned(),
            body: row.text(1)?.to_owned(),
            session: row.opt_uuid(2)?,
            expires_at: row.int(3)?,
            used: row.opt_int(4)?.is_some(),
            now: self.clock.micros(),
        }))
    }
}

impl Found {
    /// Whether `bound_to` may use it now.
    pub fn is_good_for(&self, bound_to: &str) -> bool {
        !self.used && self.now < self.expires_at && self.bound_to == bound_to
    }

    pub fn is_used(&self) -> bool {
        self.used
    }

    /// Whom it was given to.
    pub fn bound_to(&self) -> &str {
        &self.bound_to
    }

    /// The session that came of using it.
    pub fn session(&self) -> Option<Uuid> {
        self.session
    }

    pub fn body<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_str(&self.body).map_err(anyhow::Error::from)?)
    }

    /// Uses it up, in the commit of what it gives: a conflict there means that somebody was first.
    /// `session` is the one that comes of it.
    pub fn spend(&self, session: Option<Uuid>) -> Statement {
        Statement::new(
            "UPDATE single_use SET used_at = $4, session_id = $5
             WHERE kind = $1 AND hash = $2 AND bound_to = $3 AND used_at IS NULL AND expires_at > $4",
        )
        .bind(self.kind.as_str())
        .bind(self.hash.to_vec())
        .bind(self.bound_to.as_str())
        .bind(self.now)
        .bind(session)
        .expect_rows(1)
    }
}

fn hash(token: &SecretString) -> [u8; 32] {
    Sha256::digest(token.expose_secret()).into()
}
