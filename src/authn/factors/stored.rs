//! A second factor as it stands in the store, and what is written of it.

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::seal::Purpose;
use crate::store::{self, Row, Statement};

/// The factors of user `$1`, for [`Factor::from_row`].
pub const OF_USER: &str = "SELECT id, user_id, kind, name, body, state, last_step, created_at,
    used_at FROM factors WHERE user_id = $1 ORDER BY created_at, id";
/// The factor that was enrolled last, whosever it is.
pub const NEWEST: &str = "SELECT id, user_id, kind, name, body, state, last_step, created_at,
    used_at FROM factors ORDER BY created_at DESC LIMIT 1";

#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FactorKind {
    /// An authenticator app.
    Totp,
    Passkey,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FactorState {
    /// Its first code has not proven yet that the app has the secret.
    Pending,
    Active,
}

/// A second factor of a user. Instants are microseconds since the epoch.
#[derive(Debug)]
pub struct Factor {
    pub id: Uuid,
    pub user: Uuid,
    pub kind: FactorKind,
    pub name: String,
    pub state: FactorState,
    pub created_at: i64,
    pub used_at: Option<i64>,
    /// Sealed for [`Factor::purpose`].
    pub(super) body: Vec<u8>,
    /// The step of the last code, or the signature counter of a passkey.
    pub(super) last_step: i64,
}

impl FactorKind {
    fn as_str(self) -> &'static str {
        match self {
            FactorKind::Totp => "totp",
            FactorKind::Passkey => "passkey",
        }
    }

    fn parse(text: &str) -> store::Result<FactorKind> {
        match text {
            "totp" => Ok(FactorKind::Totp),
            "passkey" => Ok(FactorKind::Passkey),
            _ => Err(store::Error::Damaged("a second factor of an unknown kind")),
        }
    }

    /// What the body of a factor of this kind is sealed for.
    pub(super) fn purpose(self, id: Uuid, user: Uuid) -> Purpose {
        Purpose { what: self.as_str(), id, user }
    }
}

impl FactorState {
    fn as_str(self) -> &'static str {
        match self {
            FactorState::Pending => "pending",
            FactorState::Active => "active",
        }
    }

    fn parse(text: &str) -> store::Result<FactorState> {
        match text {
            "pending" => Ok(FactorState::Pending),
            "active" => Ok(FactorState::Active),
            _ => Err(store::Error::Damaged("a second factor in an unknown state")),
        }
    }
}

impl Factor {
    pub(super) fn from_row(row: &Row) -> store::Result<Factor> {
        Ok(Factor {
            id: row.uuid(0)?,
            user: row.uuid(1)?,
            kind: FactorKind::parse(row.text(2)?)?,
            name: row.text(3)?.to_owned(),
            body: row.bytes(4)?.to_vec(),
            state: FactorState::parse(row.text(5)?)?,
            last_step: row.int(6)?,
            created_at: row.int(7)?,
            used_at: row.opt_int(8)?,
        })
    }

    /// Whether it is of this kind and may be used.
    pub fn is_active(&self, kind: FactorKind) -> bool {
        self.kind == kind && self.state == FactorState::Active
    }

    pub(super) fn purpose(&self) -> Purpose {
        self.kind.purpose(self.id, self.user)
    }

    /// Takes what tells it from every other, where there is something: a conflict when it is known.
    pub(super) fn insert(&self, fingerprint: Option<Vec<u8>>) -> Statement {
        Statement::new(
            "INSERT INTO factors (id, user_id, kind, name, body, fingerprint, state, last_step,
                                  created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(self.id)
        .bind(self.user)
        .bind(self.kind.as_str())
        .bind(self.name.as_str())
        .bind(self.body.clone())
        .bind(fingerprint)
        .bind(self.state.as_str())
        .bind(self.last_step)
        .bind(self.created_at)
        .expect_rows(1)
    }

    /// Uses the code of `step`, which must be later than every step used before; makes a pending
    /// factor an active one. Of two that use one step, one is a conflict.
    pub(super) fn use_step(&self, step: i64, now: i64) -> Statement {
        Statement::new(
            "UPDATE factors SET last_step = $3, used_at = $4, state = 'active'
             WHERE id = $1 AND state = $2 AND last_step < $3",
        )
        .bind(self.id)
        .bind(self.state.as_str())
        .bind(step)
        .bind(now)
        .expect_rows(1)
    }

    /// Notes a use of a passkey whose signature counter is `counter` now and whose body is `body`;
    /// a conflict when another use came first.
    pub(super) fn use_counter(&self, counter: i64, body: Vec<u8>, now: i64) -> Statement {
        Statement::new(
            "UPDATE factors SET last_step = $3, body = $4, used_at = $5
             WHERE id = $1 AND state = 'active' AND last_step = $2",
        )
        .bind(self.id)
        .bind(self.last_step)
        .bind(counter)
        .bind(body)
        .bind(now)
        .expect_rows(1)
    }

    /// Removes it; a conflict when it is gone already.
    pub(super) fn delete(&self) -> Statement {
        Statement::new("DELETE FROM factors WHERE id = $1").bind(self.id).expect_rows(1)
    }
}
