//! Leases: values that Vault's engines make for one call or one credential, and that are given back.
//!
//! Three steps, in this order: an intent, whose statements go into the commit that comes before the
//! call; the lease, taken after that commit; and giving back, whose statements go into the commit
//! that comes after. Whatever is not given back is found by its intent and swept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::values::Values;
use super::vault::{LeasePath, LeaseToken, Vault};
use super::{Secrets, WHAT, unavailable};
use crate::authz::Warrant;
use crate::store::Statement;
use crate::{Error, Result};

/// How much longer Vault keeps a lease than it should be needed: enough to give it back.
const SLACK: Duration = Duration::from_secs(30);
/// After this much of it, whoever should have given a lease back has certainly ended: a call waits
/// for two commits, the lease and its return besides its own time.
const GRACE: Duration = Duration::from_secs(15);
/// A lease that is held is not handed out for its last moments.
const MARGIN_MICROS: i64 = 10_000_000;

/// How long something is leased.
#[derive(Clone, Copy, Debug)]
pub enum LeaseFor {
    /// For one call, which ends within `time_max` of now.
    Call { id: Uuid, time_max: Duration },
    /// For all calls with one credential, until it expires (microseconds since the epoch) or is
    /// revoked. This process keeps the values as long.
    Credential { id: Uuid, expires_at: i64 },
}

/// A lease that is about to be taken.
#[must_use = "an intent is for the commit that comes before the call"]
pub struct Intent {
    /// For that commit; none when the values are here already.
    pub statements: Vec<Statement>,
    path: LeasePath,
    of: LeaseFor,
    from: From,
}

enum From {
    Held(Arc<Taken>),
    Engine { id: Uuid, token: LeaseToken, ends_at: i64 },
}

/// Values on loan. To be given back.
#[must_use = "a lease is to be given back"]
pub struct Lease {
    taken: Arc<Taken>,
    of: LeaseFor,
}

struct Taken {
    id: Uuid,
    accessor: String,
    values: Values,
    /// When they stop working; microseconds since the epoch.
    ends_at: i64,
}

/// What this process holds for credentials, by credential and path.
#[derive(Default)]
pub struct Held(Mutex<HashMap<(Uuid, LeasePath), Arc<Taken>>>);

impl Held {
    fn all(&self) -> MutexGuard<'_, HashMap<(Uuid, LeasePath), Arc<Taken>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, of: LeaseFor, path: &LeasePath, now: i64) -> Option<Arc<Taken>> {
        let LeaseFor::Credential { id, .. } = of else { return None };
        let taken = self.all().get(&(id, path.clone())).cloned()?;
        (taken.ends_at > now.saturating_add(MARGIN_MICROS)).then_some(taken)
    }

    fn keep(&self, of: LeaseFor, path: LeasePath, taken: Arc<Taken>) {
        if let LeaseFor::Credential { id, .. } = of {
            self.all().insert((id, path), taken);
        }
    }

    /// Drops what is held of a lease that has ended.
    pub(super) fn drop_lease(&self, lease: Uuid) {
        self.all().retain(|_, it| it.id != lease);
    }

    /// Lets go of everything: ids and accessors, for giving back.
    pub(super) fn take_all(&self) -> Vec<(Uuid, String)> {
        self.all().drain().map(|(_, it)| (it.id, it.accessor.clone())).collect()
    }
}

impl Lease {
    pub fn values(&self) -> &Values {
        &self.taken.values
    }
}

impl Secrets {
    /// Gets a lease ready to be taken: what it will hang on is made in Vault and written down.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when Vault is, or does not let us make tokens.
    pub async fn intend_lease(
        &self,
        warrant: &Warrant,
        path: &LeasePath,
        of: LeaseFor,
    ) -> Result<Intent> {
        let now = self.clock.micros();
        let (path, statements) = (path.clone(), Vec::new());
        if let Some(taken) = self.held.find(of, &path, now) {
            return Ok(Intent { statements, path, of, from: From::Held(taken) });
        }
        let vault = self.engines()?;
        let life = of.life(now);
        let token = vault.lease_token(warrant, life).await;
        let token = token.map_err(|it| unavailable("no token for a lease is made", &it))?;
        let life = vault.session_left().map_or(life, |it| it.min(life));
        let (id, ends_at) = (self.clock.new_id(), after(now, life));
        warrant.note("lease", id.to_string());
        warrant.note("leased", path.as_str());
        let statements = vec![intend(id, &path, &token.accessor, of, now, ends_at)];
        Ok(Intent { statements, path, of, from: From::Engine { id, token, ends_at } })
    }

    /// Takes the lease, once the commit has its intent.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the engine gives nothing.
    pub async fn take_lease(&self, warrant: &Warrant, intent: Intent) -> Result<Lease> {
        let Intent { path, of, from, .. } = intent;
        let (id, token, ends_at) = match from {
            From::Held(taken) => return Ok(Lease { taken, of }),
            From::Engine { id, token, ends_at } => (id, token, ends_at),
        };
        let vault = self.engines()?;
        let leased = vault.take_lease(warrant, &token, &path).await;
        let leased = leased.map_err(|it| unavailable("nothing is leased", &it))?;
        let ends_at = ends_at.min(after(self.clock.micros(), leased.life));
        let (accessor, values) = (token.accessor, leased.values);
        let taken = Arc::new(Taken { id, accessor, values, ends_at });
        self.held.keep(of, path, taken.clone());
        Ok(Lease { taken, of })
    }

    /// Gives back what was leased for a call; what was leased for a credential is kept until that
    /// ends. The statements are for the commit that comes after the call; where Vault cannot be told
    /// now, there are none, and it is told later.
    pub async fn give_back(&self, warrant: &Warrant, lease: Lease) -> Vec<Statement> {
        if matches!(lease.of, LeaseFor::Credential { .. }) {
            return Vec::new();
        }
        let Ok(vault) = self.engines() else { return Vec::new() };
        match vault.revoke(warrant, &lease.taken.accessor).await {
            Ok(()) => vec![returned(lease.taken.id)],
            Err(failure) => {
                tracing::warn!(lease = %lease.taken.id, %failure, "a lease is given back later");
                Vec::new()
            }
        }
    }

    fn engines(&self) -> Result<&Vault> {
        self.vault.as_ref().ok_or(Error::Unavailable { what: WHAT })
    }
}

impl LeaseFor {
    /// For how long Vault should keep the lease, if nobody gives it back.
    fn life(self, now: i64) -> Duration {
        match self {
            LeaseFor::Call { time_max, .. } => time_max + SLACK,
            LeaseFor::Credential { expires_at, .. } => {
                let left = u64::try_from(expires_at.saturating_sub(now)).unwrap_or_default();
                Duration::from_micros(left) + SLACK
            }
        }
    }

    /// When nobody needs it any more.
    fn return_by(self, now: i64) -> i64 {
        match self {
            LeaseFor::Call { time_max, .. } => after(now, time_max + GRACE),
            LeaseFor::Credential { expires_at, .. } => expires_at,
        }
    }
}

fn after(now: i64, time: Duration) -> i64 {
    now.saturating_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
}

fn intend(
    id: Uuid,
    path: &LeasePath,
    accessor: &str,
    of: LeaseFor,
    now: i64,
    ends_at: i64,
) -> Statement {
    let (call, credential) = match of {
        LeaseFor::Call { id, .. } => (Some(id), None),
        LeaseFor::Credential { id, .. } => (None, Some(id)),
    };
    Statement::new(
        "INSERT INTO leases (id, vault_path, accessor, call_id, credential_id, taken_at, return_by,
                             ends_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(id)
    .bind(path.as_str())
    .bind(accessor)
    .bind(call)
    .bind(credential)
    .bind(now)
    .bind(of.return_by(now))
    .bind(ends_at)
    .expect_rows(1)
}

/// Strikes a lease off that has ended.
pub(super) fn returned(lease: Uuid) -> Statement {
    Statement::new("DELETE FROM leases WHERE id = $1").bind(lease)
}
