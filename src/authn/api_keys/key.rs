//! An API key as the store and the snapshot know it: everything but its text.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::secret::SecretHash;
use crate::directory::{self, Principal};
use crate::store::{Row, Statement};
use crate::{Error, Result};

/// What [`ApiKey::from_row`] reads.
pub(super) const SELECT_LIVE: &str = "SELECT id, principal_kind, principal_id, body, hash,
            previous_hash, previous_until, state, created_at, updated_at, expires_at, last_used_at,
            revision
     FROM api_keys WHERE state <> 'revoked'";

/// Instants are microseconds since the epoch.
#[derive(Clone, Debug)]
pub struct ApiKey {
    pub id: Uuid,
    /// Whom it stands for.
    pub principal: PrincipalId,
    pub name: String,
    /// What it may hold, as far as its principal still may.
    pub scopes: Arc<BTreeSet<String>>,
    /// The user who made it.
    pub created_by: Uuid,
    pub state: State,
    pub created_at: i64,
    pub updated_at: i64,
    pub expires_at: Option<i64>,
    /// Goes up by one with every change; the `ETag`.
    pub revision: i64,
    pub(super) hash: SecretHash,
    /// The text that a rotation replaced, while both are good.
    pub(super) previous: Option<Previous>,
    /// Shared by all revisions.
    pub(super) uses: Arc<Uses>,
}

/// Which principal, without the principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrincipalId {
    pub kind: directory::Kind,
    pub id: Uuid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Active,
    /// Good for nothing until somebody enables it.
    Disabled,
    /// For good.
    Revoked,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Previous {
    pub hash: SecretHash,
    pub until: i64,
}

/// When a key was used last: noted in memory by whoever recognises it, written down from there.
/// Instants are microseconds; zero is never.
#[derive(Debug, Default)]
pub(super) struct Uses {
    last: AtomicI64,
    written: AtomicI64,
}

/// What the store keeps of a key without looking at it.
#[derive(Serialize, Deserialize)]
struct Body {
    name: String,
    scopes: Arc<BTreeSet<String>>,
    created_by: Uuid,
}

impl From<&Principal> for PrincipalId {
    fn from(it: &Principal) -> PrincipalId {
        PrincipalId { kind: it.kind(), id: it.id() }
    }
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Disabled => "disabled",
            State::Revoked => "revoked",
        }
    }

    /// What is neither active nor disabled is as good as revoked.
    fn parse(text: &str) -> State {
        let known = [State::Active, State::Disabled];
        known.into_iter().find(|it| it.as_str() == text).unwrap_or(State::Revoked)
    }
}

impl ApiKey {
    /// Whether its text, or with `hash` the one before, is a proof of identity at `now`.
    pub(super) fn is_good(&self, hash: SecretHash, now: i64) -> bool {
        self.state == State::Active
            && !self.is_expired(now)
            && (hash == self.hash
                || self.previous.is_some_and(|it| it.hash == hash && now < it.until))
    }

    pub fn is_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|it| it <= now)
    }

    /// Until when the text that the last rotation replaced is good, or was.
    pub fn previous_until(&self) -> Option<i64> {
        self.previous.map(|it| it.until)
    }

    /// Notes in memory that the key was used.
    pub fn note_use(&self, now: i64) {
        self.uses.note(now);
    }

    pub fn last_used_at(&self) -> Option<i64> {
        let last = self.uses.last.load(Ordering::Relaxed);
        (last > 0).then_some(last)
    }

    /// The next revision.
    pub(super) fn changed(&self, now: i64, change: impl FnOnce(&mut ApiKey)) -> ApiKey {
        let mut next = self.clone();
        change(&mut next);
        next.revision += 1;
        next.updated_at = now;
        next
    }

    pub(super) fn from_row(row: &Row) -> Result<ApiKey> {
        let damaged = || Error::internal("an API key is damaged in the store");
        let kind = directory::Kind::parse(row.text(1)?).ok_or_else(damaged)?;
        let hash = |bytes: &[u8]| SecretHash::from_bytes(bytes).ok_or_else(damaged);
        let previous = match (row.opt_bytes(5)?, row.opt_int(6)?) {
            (Some(bytes), Some(until)) => Some(Previous { hash: hash(bytes)?, until }),
            _ => None,
        };
        let body: Body = row.json(3)?;
        Ok(ApiKey {
            id: row.uuid(0)?,
            principal: PrincipalId { kind, id: row.uuid(2)? },
            name: body.name,
            scopes: body.scopes,
            created_by: body.created_by,
            state: State::parse(row.text(7)?),
            created_at: row.int(8)?,
            updated_at: row.int(9)?,
            expires_at: row.opt_int(10)?,
            revision: row.int(12)?,
            hash: hash(row.bytes(4)?)?,
            previous,
            uses: Arc::new(Uses::written(row.opt_int(11)?.unwrap_or_default())),
        })
    }

    pub(super) fn insert(&self) -> Result<Statement> {
        let (name, scopes, created_by) = (self.name.clone(), self.scopes.clone(), self.created_by);
        let body = serde_json::to_string(&Body { name, scopes, created_by });
        Ok(Statement::new(
            "INSERT INTO api_keys (id, principal_kind, principal_id, body, hash, state, created_at,
                                   updated_at, expires_at, revision)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(self.id)
        .bind(self.principal.kind.as_str())
        .bind(self.principal.id)
        .bind(body.map_err(anyhow::Error::from)?)
        .bind(self.hash.to_vec())
        .bind(self.state.as_str())
        .bind(self.created_at)
        .bind(self.updated_at)
        .bind(self.expires_at)
        .bind(self.revision))
    }

    /// Puts this revision in the place of the one before it.
    pub(super) fn replace(&self) -> Statement {
        Statement::new(
            "UPDATE api_keys SET hash = $3, previous_hash = $4, previous_until = $5, state = $6,
                                 updated_at = $7, revision = $8
             WHERE id = $1 AND revision = $2",
        )
        .bind(self.id)
        .bind(self.revision - 1)
        .bind(self.hash.to_vec())
        .bind(self.previous.map(|it| it.hash.to_vec()))
        .bind(self.previous.map(|it| it.until))
        .bind(self.state.as_str())
        .bind(self.updated_at)
        .bind(self.revision)
        .expect_rows(1)
    }
}

impl Uses {
    fn written(at: i64) -> Uses {
        Uses { last: AtomicI64::new(at), written: AtomicI64::new(at) }
    }

    pub fn note(&self, now: i64) {
        self.last.fetch_max(now, Ordering::Relaxed);
    }

    /// The last use, if the store does not know of it.
    pub fn unwritten(&self) -> Option<i64> {
        let last = self.last.load(Ordering::Relaxed);
        (last > self.written.load(Ordering::Relaxed)).then_some(last)
    }

    pub fn note_written(&self, at: i64) {
        self.written.fetch_max(at, Ordering::Relaxed);
    }
}
