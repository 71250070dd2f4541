//! API keys: long-lived secrets that stand for a principal, with no more than the scopes they were
//! made for.

mod actions;
mod key;
mod secret;
mod snapshot;
mod uses;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwap;
use secrecy::SecretString;

use self::key::{Previous, SELECT_LIVE, Uses};
use self::secret::SecretHash;
use crate::audit::Ledger;
use crate::authz::{Permit, Warrant};
use crate::clock::Clock;
use crate::credentials;
use crate::store::{Database, Statement};
use crate::{Error, Result};

pub use actions::{
    ApiKeyResource, CreateApiKey, DisableApiKey, EnableApiKey, ListApiKeys, RevokeApiKey,
    RotateApiKey, ShowApiKey,
};
pub use key::{ApiKey, PrincipalId, State};
pub use secret::{ApiKeySecret, PREFIX};
pub use snapshot::Snapshot;

/// More than anybody keeps apart; who makes them by the thousand has lost count, or a secret.
const PER_PRINCIPAL_MAX: usize = 100;

/// The API keys there are: read from memory, changed through the ledger.
pub struct ApiKeys {
    snapshot: ArcSwap<Snapshot>,
    ledger: Ledger,
    clock: Clock,
}

impl ApiKeys {
    /// Reads all keys that are not revoked.
    pub async fn load(db: &dyn Database, ledger: Ledger, clock: Clock) -> Result<ApiKeys> {
        let mut snapshot = Snapshot::default();
        for row in db.query(SELECT_LIVE, vec![]).await? {
            snapshot.put(Arc::new(ApiKey::from_row(&row)?));
        }
        Ok(ApiKeys { snapshot: ArcSwap::from_pointee(snapshot), ledger, clock })
    }

    /// The keys as of now; stays as it is however long it is held.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The key that somebody sent, if it is good at `now` (microseconds since the epoch). Whether
    /// its principal may still act is not looked at.
    pub fn find(&self, sent: &SecretString, now: i64) -> Option<Arc<ApiKey>> {
        let hash = SecretHash::of(sent)?;
        self.snapshot.load().find(hash).filter(|it| it.is_good(hash, now)).cloned()
    }

    /// Makes a key and gives the one copy of its text.
    ///
    /// # Errors
    /// The principal has as many keys as anybody may have, or the key would never be good.
    pub async fn create(
        &self,
        permit: Permit<CreateApiKey>,
    ) -> Result<(Arc<ApiKey>, ApiKeySecret)> {
        let (caller, action, principal, warrant) = permit.spend();
        let (now, principal) = (self.clock.micros(), PrincipalId::from(&principal));
        if action.expires_at.is_some_and(|it| it <= now) {
            return Err(Error::field("/expires_at", "must lie in the future"));
        }
        if self.snapshot.load().count_of(principal) >= PER_PRINCIPAL_MAX {
            let full = format!("there are {PER_PRINCIPAL_MAX} keys already: revoke one first");
            return Err(Error::Conflict(full.into()));
        }
        let secret = ApiKeySecret::generate()?;
        let key = ApiKey {
            id: self.clock.new_id(),
            principal,
            name: action.name,
            scopes: Arc::new(action.scopes),
            created_by: caller.principal().id(),
            state: State::Active,
            created_at: now,
            updated_at: now,
            expires_at: action.expires_at,
            revision: 1,
            hash: secret.hash(),
            previous: None,
            uses: Arc::new(Uses::default()),
        };
        warrant.note("api_key", key.id.to_string());
        warrant.note("name", key.name.as_str());
        warrant.note("scopes", Vec::from_iter(key.scopes.iter().cloned()));
        let insert = vec![key.insert()?];
        Ok((self.write(&warrant, insert, key).await?, secret))
    }

    /// Gives the key a new text. The one before stays good for as long as was asked for, and one
    /// that an earlier rotation left ends at once: there are never three.
    pub async fn rotate(
        &self,
        permit: Permit<RotateApiKey>,
    ) -> Result<(Arc<ApiKey>, ApiKeySecret)> {
        let (_, action, resource, warrant) = permit.spend();
        let (now, key) = (self.clock.micros(), resource.key);
        action.insist(key.revision)?;
        if key.is_expired(now) {
            return Err(Error::Conflict("the key has expired: make another".into()));
        }
        let secret = ApiKeySecret::generate()?;
        let until = now.saturating_add(action.overlap_micros);
        let next = key.changed(now, |it| {
            it.previous = (now < until).then_some(Previous { hash: it.hash, until });
            it.hash = secret.hash();
        });
        // Who leaves the old text no time does not trust it, nor what was got with it.
        let vended = match next.previous {
            None => credentials::of_session(next.id, now).into(),
            Some(_) => Vec::new(),
        };
        Ok((self.replace(&warrant, next, vended, action.if_match).await?, secret))
    }

    pub async fn enable(&self, permit: Permit<EnableApiKey>) -> Result<Arc<ApiKey>> {
        let (_, action, resource, warrant) = permit.spend();
        action.insist(resource.key.revision)?;
        let next = resource.key.changed(self.clock.micros(), |it| it.state = State::Active);
        self.replace(&warrant, next, Vec::new(), action.if_match).await
    }

    /// Makes the key good for nothing until somebody enables it, and revokes what was vended with
    /// it.
    pub async fn disable(&self, permit: Permit<DisableApiKey>) -> Result<Arc<ApiKey>> {
        let (_, action, resource, warrant) = permit.spend();
        action.insist(resource.key.revision)?;
        self.end(&warrant, &resource.key, State::Disabled, action.if_match).await
    }

    /// Ends the key for good, and revokes what was vended with it.
    pub async fn revoke(&self, permit: Permit<RevokeApiKey>) -> Result<()> {
        let (_, action, resource, warrant) = permit.spend();
        action.insist(resource.key.revision)?;
        self.end(&warrant, &resource.key, State::Revoked, action.if_match).await.map(drop)
    }

    async fn end(
        &self,
        warrant: &Warrant,
        key: &ApiKey,
        state: State,
        if_match: Option<i64>,
    ) -> Result<Arc<ApiKey>> {
        let now = self.clock.micros();
        let next = key.changed(now, |it| it.state = state);
        self.replace(warrant, next, credentials::of_session(key.id, now).into(), if_match).await
    }

    async fn replace(
        &self,
        warrant: &Warrant,
        next: ApiKey,
        mut statements: Vec<Statement>,
        if_match: Option<i64>,
    ) -> Result<Arc<ApiKey>> {
        statements.push(next.replace());
        self.write(warrant, statements, next).await.map_err(|error| match (error, if_match) {
            // Who insisted on a revision is told that it is gone, however late that was found out.
            (Error::Conflict(_), Some(_)) => Error::PreconditionFailed,
            (other, _) => other,
        })
    }

    async fn write(
        &self,
        warrant: &Warrant,
        statements: Vec<Statement>,
        key: ApiKey,
    ) -> Result<Arc<ApiKey>> {
        self.ledger.commit(warrant, statements).await?;
        let key = Arc::new(key);
        self.snapshot.rcu(|it| {
            let mut next = Snapshot::clone(it);
            next.put(key.clone());
            next
        });
        Ok(key)
    }
}
