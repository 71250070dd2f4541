//! The tools' secrets: named values that go into calls and never come out again.
//!
//! This room knows paths, names and values, and nothing of tools. Values are sealed in the store or
//! kept in Vault; what is written takes effect together with the caller's own commit.

mod folder;
mod health;
mod leases;
mod path;
mod record;
mod scrub;
mod sealed;
mod sweep;
mod values;
mod vault;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context as _;
use uuid::Uuid;

use self::health::Health;
use self::leases::Held;
use self::record::{Kept, Record, place};
use self::sealed::Sealed;
use self::vault::Vault;
use crate::audit::Ledger;
use crate::authz::Warrant;
use crate::clock::Clock;
use crate::settings::Settings;
use crate::store::{Database, Statement};
use crate::{Error, Result};

pub use self::health::{ask_vault, check_master_key};
pub use self::leases::{Intent, Lease, LeaseFor};
pub use self::path::SecretPath;
pub use self::scrub::Scrubber;
pub use self::sealed::{Rotated, is_used as is_sealed};
pub use self::values::{BadName, Change, MASK, SecretName, Values, masked};
pub use self::vault::{BadLeasePath, LeasePath};

/// What is not available when a secret cannot be had.
const WHAT: &str = "the secret store";

/// All secrets. New values go to Vault where there is one; what was sealed before stays where it is
/// until it is written again.
pub struct Secrets {
    db: Arc<dyn Database>,
    ledger: Ledger,
    clock: Clock,
    sealed: Option<Sealed>,
    vault: Option<Vault>,
    held: Held,
    health: Health,
}

/// What a change of values comes to. It takes effect with the commit of its statements, and is
/// swept away when there is none.
#[derive(Debug, Default)]
#[must_use = "secrets change when a commit carries these statements"]
pub struct Staged {
    /// The names there are afterwards.
    pub names: BTreeSet<SecretName>,
    pub statements: Vec<Statement>,
}

impl Secrets {
    /// Gets ready. Vault is asked nothing yet, so that a server starts without it.
    ///
    /// # Errors
    /// The key file is not the one that the store was sealed with; the settings of Vault cannot be used.
    pub async fn open(
        settings: &Settings,
        db: Arc<dyn Database>,
        ledger: Ledger,
        clock: Clock,
    ) -> anyhow::Result<Secrets> {
        let ca_file = settings.outbound.ca_file.as_deref();
        let vault = match Vault::open(&settings.vault, ca_file, clock.clone())? {
            Some(it) => Some(it.within(&folder::of_store(&*db, &ledger, &clock).await?)),
            None => None,
        };
        let file = &settings.secrets.master_key_file;
        let needed = vault.is_none() || file.exists() || sealed::is_used(&*db).await?;
        let sealed = match needed {
            true => {
                Some(Sealed::open(file, db.clone()).await.context("`secrets.master_key_file`")?)
            }
            false => None,
        };
        let (held, health) = (Held::default(), Health::default());
        Ok(Secrets { db, ledger, clock, sealed, vault, held, health })
    }

    /// Gets a change ready for the caller's commit. Nobody sees it before that.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when values cannot be read or kept. Of two changes of one path, the
    /// one that commits last is a conflict.
    pub async fn stage(
        &self,
        warrant: &Warrant,
        path: SecretPath,
        change: Change,
    ) -> Result<Staged> {
        let before = self.record(path).await?;
        let names = before.as_ref().map(|it| it.names.clone()).unwrap_or_default();
        if change.is_empty() {
            return Ok(Staged { names, statements: Vec::new() });
        }
        // What is replaced or removed whole need not be read, so that it can be mended without.
        let old = match &before {
            Some(it) if !names.iter().all(|it| change.touches(it)) => {
                self.values(warrant, it).await?
            }
            _ => Values::default(),
        };
        let values = change.applied(old);
        let (names, now) = (values.names(), self.clock.micros());
        if values.is_empty() {
            let statements = before.map(|it| it.delete(now)).unwrap_or_default();
            return Ok(Staged { names, statements });
        }
        let (kept, also) = self.put(warrant, path, &values).await?;
        let mut statements = match before {
            Some(it) => it.update(&names, kept, now),
            None => record::insert(path, &names, kept, now),
        };
        statements.extend(also);
        Ok(Staged { names, statements })
    }

    /// The values at a path; none where nothing was ever kept.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when they are kept and cannot be had.
    pub async fn read(&self, warrant: &Warrant, path: SecretPath) -> Result<Values> {
        match self.record(path).await? {
            Some(it) => self.values(warrant, &it).await,
            None => Ok(Values::default()),
        }
    }

    /// The names at a path: all that a view may show, with [`masked`]. Needs no Vault.
    pub async fn names(&self, _: &Warrant, path: SecretPath) -> Result<BTreeSet<SecretName>> {
        Ok(self.record(path).await?.map(|it| it.names).unwrap_or_default())
    }

    /// What forgets all values of a tool, users' own among them, for the commit that deletes it.
    pub fn forget_tool(&self, _: &Warrant, tool: Uuid) -> Vec<Statement> {
        record::forget_tool(tool, self.clock.micros())
    }

    /// What forgets the accounts of all users with a tool, for the commit that moves it elsewhere.
    pub fn forget_accounts(&self, _: &Warrant, tool: Uuid) -> Vec<Statement> {
        record::forget_accounts(tool, self.clock.micros())
    }

    /// What forgets the values at a path.
    pub async fn forget(&self, _: &Warrant, path: SecretPath) -> Result<Vec<Statement>> {
        let record = self.record(path).await?;
        Ok(record.map(|it| it.delete(self.clock.micros())).unwrap_or_default())
    }

    /// A path of one of Vault's dynamic engines, as a tool may name it.
    ///
    /// # Errors
    /// There is no Vault, or an operator has not listed the path. Says so in words for a field.
    pub fn lease_path(&self, text: &str) -> Result<LeasePath, BadLeasePath> {
        self.vault.as_ref().ok_or(BadLeasePath::NoVault)?.lease_path(text)
    }

    /// Puts a new master key in the place of the one that wraps.
    ///
    /// # Errors
    /// There is no sealed store; the key file cannot be written; the store does not answer. What
    /// was done by then stays, and the next try goes on from there.
    pub async fn rotate_master_key(&self) -> anyhow::Result<Rotated> {
        let sealed =
            self.sealed.as_ref().context("nothing is sealed here: secrets are in Vault")?;
        sealed.rotate(&self.ledger, &self.clock).await
    }

    async fn record(&self, path: SecretPath) -> Result<Option<Record>> {
        let rows = self.db.query(record::AT, vec![path.to_string().into()]).await?;
        Ok(rows.first().map(Record::from_row).transpose()?)
    }

    async fn values(&self, warrant: &Warrant, record: &Record) -> Result<Values> {
        match &record.kept {
            Kept::Sealed { master, envelope } => {
                let sealed = self.sealed.as_ref().ok_or_else(elsewhere)?;
                sealed.open_record(record.path, &record.names, master, envelope)
            }
            Kept::Vault(write) => {
                let vault = self.vault.as_ref().ok_or_else(elsewhere)?;
                let read = vault.read(warrant, &place(record.path, *write)).await;
                read.map_err(|failure| unavailable("a secret is not read", &failure))
            }
        }
    }

    /// Keeps values where new ones go; what must be in the same commit besides.
    async fn put(
        &self,
        warrant: &Warrant,
        path: SecretPath,
        values: &Values,
    ) -> Result<(Kept, Option<Statement>)> {
        if let Some(vault) = &self.vault {
            let write = self.clock.new_id();
            let written = vault.write(warrant, &place(path, write), values).await;
            written.map_err(|failure| unavailable("a secret is not written", &failure))?;
            return Ok((Kept::Vault(write), None));
        }
        let sealed = self.sealed.as_ref().ok_or_else(elsewhere)?;
        let (kept, still) = sealed.seal(path, values).await?;
        Ok((kept, Some(still)))
    }
}

/// Kept where the settings do not lead any more.
fn elsewhere() -> Error {
    tracing::error!("a secret is kept where the settings do not lead: set `vault.addr` as it was");
    Error::Unavailable { what: WHAT }
}

fn unavailable(what: &'static str, failure: &vault::Failure) -> Error {
    tracing::warn!(%failure, "{what}: Vault {failure}");
    Error::Unavailable { what: WHAT }
}
