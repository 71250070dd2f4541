//! Refresh tokens: one continues a session once, for another; used twice, it ends the session.

use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use rand::TryRngCore as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::proofs::KeyProof;
use super::session::{json, micros};
use super::{Authn, Caller, Proof, Session, TokenPair};
use crate::audit::Actor;
use crate::audit::entry::Origin;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, TheRegistry, World};
use crate::directory::{Kind, Principal};
use crate::store::{Row, Statement};
use crate::{Error, Result, Unproven};

/// What every refresh token begins with.
pub(super) const REFRESH_PREFIX: &str = "gwr_";

/// Continuing a session: decided like a sign-in, on who the principal is by now.
#[derive(Debug)]
pub struct RefreshSession {
    spent: [u8; 32],
    session: Uuid,
}

impl RefreshSession {
    pub fn session(&self) -> Uuid {
        self.session
    }
}

impl Action for RefreshSession {
    const NAME: &'static str = "sign_in";
    const EVENT: &'static str = "auth.refresh";
    type Resource = TheRegistry;

    async fn find(&self, _: &World) -> Result<Option<TheRegistry>> {
        Ok(Some(TheRegistry))
    }

    fn particulars(&self, _: &Self::Resource) -> Particulars {
        Particulars::Base
    }
}

/// What the store knows of a refresh token that somebody sent.
#[derive(Debug)]
pub struct RecalledRefresh {
    hash: [u8; 32],
    stored: Option<StoredRefresh>,
    now: i64,
}

#[derive(Debug)]
struct StoredRefresh {
    used: bool,
    expires_at: i64,
    session: Uuid,
    principal: Option<Principal>,
    authenticated_at: i64,
    ended: bool,
    proof: Proof,
    /// What the session may hold at most: a refresh never adds to it.
    scopes: Vec<String>,
}

impl RecalledRefresh {
    /// Whether it may still be used.
    pub fn is_good(&self) -> bool {
        let good = |it: &StoredRefresh| {
            !it.used && !it.ended && it.principal.is_some() && it.expires_at > self.now
        };
        self.stored.as_ref().is_some_and(good)
    }

    /// Whom it stands for, and until when (microseconds), while it may still be used.
    pub(super) fn bearer(self, origin: Arc<Origin>) -> Option<(Caller, i64)> {
        let stored = if self.is_good() { self.stored? } else { return None };
        let (expires_at, principal) = (stored.expires_at, stored.principal.clone()?);
        Some((Caller::new(principal, stored.session(), origin), expires_at))
    }
}

impl StoredRefresh {
    fn session(self) -> Session {
        Session {
            id: Some(self.session),
            scopes: Arc::new(self.scopes.into_iter().collect()),
            authenticated_at: self.authenticated_at,
            reauthenticated_at: None,
            proof: Arc::new(self.proof),
        }
    }
}

/// Who sends a refresh token.
#[derive(Debug)]
pub struct Holder<'a> {
    /// The OAuth client that proved itself; none for our own sign-in.
    pub client: Option<&'a str>,
    /// What proves the key that it holds (RFC 9449).
    pub proof: Option<KeyProof>,
}

impl Holder<'_> {
    /// Whose token it is not.
    fn fault(&self, proof: &Proof) -> Option<&'static str> {
        if proof.client.as_deref() != self.client {
            Some("of_another_client")
        } else {
            let holds = |key: &String| self.proof.as_ref().is_some_and(|it| it.is_by(key));
            proof.key.as_ref().filter(|it| !holds(it)).map(|_| "wrong_key")
        }
    }
}

impl Authn {
    /// Looks a refresh token up.
    pub async fn recall_refresh(&self, token: &SecretString) -> Result<RecalledRefresh> {
        let hash = hash(token);
        let rows = self
            .db
            .query(
                "SELECT t.used_at, t.expires_at, s.id, s.principal_kind, s.principal_id,
                        s.authenticated_at, s.revoked_at, s.proof, s.scopes
                 FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.hash = $1",
                vec![hash.to_vec().into()],
            )
            .await?;
        let stored = |row: &Row| -> Result<StoredRefresh> {
            let (kind, id) = (Kind::parse(row.text(3)?), row.uuid(4)?);
            Ok(StoredRefresh {
                used: row.opt_int(0)?.is_some(),
                expires_at: row.int(1)?,
                session: row.uuid(2)?,
                principal: kind.and_then(|kind| self.directory.snapshot().principal(kind, id)),
                authenticated_at: row.int(5)?,
                ended: row.opt_int(6)?.is_some(),
                proof: row.json(7)?,
                scopes: row.json(8)?,
            })
        };
        let stored = rows.first().map(stored).transpose()?;
        Ok(RecalledRefresh { hash, stored, now: self.clock.micros() })
    }

    /// Recognises a refresh token. One that was used already ends its whole family: either the
    /// thief or the owner holds a copy, and nobody can tell which. One of a session that is bound
    /// to a key is good with a proof of that key alone (RFC 9449 section 5).
    pub async fn prove_refresh(
        &self,
        recalled: RecalledRefresh,
        holder: Holder<'_>,
        origin: Arc<Origin>,
    ) -> Result<(Caller, RefreshSession)> {
        let good = recalled.is_good();
        let RecalledRefresh { hash: spent, stored, .. } = recalled;
        let known = stored.and_then(|it| Some((it.principal.clone()?, it)));
        let Some((principal, stored)) = known else {
            return Err(self.refuse_refresh(Actor::anonymous("unknown"), "unknown", &origin).await);
        };
        let session = stored.session;
        if stored.used && !stored.ended {
            self.end(session, &principal, "refresh_token_reused").await?;
        }
        let reason = match (good, stored.used) {
            (false, true) => Some("reused"),
            (false, false) => Some("ended"),
            (true, _) => holder.fault(&stored.proof),
        };
        if let Some(reason) = reason {
            return Err(self.refuse_refresh(principal.actor(), reason, &origin).await);
        }
        let caller = Caller::new(principal, stored.session(), origin);
        Ok((self.bind(caller, holder.proof)?, RefreshSession { spent, session }))
    }

    async fn refuse_refresh(&self, actor: Actor, reason: &str, origin: &Origin) -> Error {
        match self.refuse("auth.refresh", actor, reason, origin).await {
            Error::Unauthenticated(_) => Error::Unauthenticated(Unproven::BadRefreshToken),
            other => other,
        }
    }

    /// Rotates the refresh token: the old one is spent in the commit that stores the new one. The
    /// session keeps `kept`; the access token holds `scopes`, which may be fewer.
    pub async fn refresh(
        &self,
        permit: Permit<RefreshSession>,
        kept: &[String],
        scopes: Vec<String>,
        mut statements: Vec<Statement>,
    ) -> Result<TokenPair> {
        let (caller, RefreshSession { spent, session }, _, warrant) = permit.spend();
        let now = self.clock.micros();
        let spend = Statement::new(
            "UPDATE refresh_tokens SET used_at = $2
             WHERE hash = $1 AND used_at IS NULL AND expires_at > $2",
        )
        .bind(spent.to_vec())
        .bind(now)
        .expect_rows(1);
        let live = Statement::new(
            "UPDATE sessions SET scopes = $2, expires_at = $3, proof = $4
             WHERE id = $1 AND revoked_at IS NULL",
        )
        .bind(session)
        .bind(serde_json::json!(kept).to_string())
        .bind(now + micros(self.rules.refresh_ttl))
        .bind(json(&caller.session().proof)?)
        .expect_rows(1);
        statements.extend([spend, live]);
        let pair = self.pair(&warrant, &caller, session, scopes, &mut statements)?;
        match self.ledger.commit(&warrant, statements).await {
            Ok(()) => Ok(pair),
            // Somebody spent it between our look and our commit: the same as a reuse.
            Err(Error::Conflict(_)) => {
                self.end(session, caller.principal(), "refresh_token_reused").await?;
                Err(Error::Unauthenticated(Unproven::BadRefreshToken))
            }
            Err(error) => Err(error),
        }
    }
}

/// 256 random bits: guessing is hopeless, so its SHA-256 is enough to store.
pub(super) fn refresh_token() -> Result<SecretString> {
    let mut bytes = [0u8; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(anyhow::Error::from)?;
    Ok(format!("{REFRESH_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)).into())
}

pub(super) fn hash(token: &SecretString) -> [u8; 32] {
    Sha256::digest(token.expose_secret()).into()
}
