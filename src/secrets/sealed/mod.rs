//! The sealed store: values in the database, each record under a data key of its own that a master
//! key wraps, which is in a file outside of it.

mod envelope;
mod keys;
mod rotate;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;

use self::keys::MasterKeys;
use super::path::SecretPath;
use super::record::{Kept, Record};
use super::values::{SecretName, Values};
use crate::store::{Database, Statement};
use crate::{Error, Result};

pub use self::envelope::Envelope;
pub use self::rotate::Rotated;

/// The master keys of this process, and the file that they come from.
pub struct Sealed {
    file: PathBuf,
    keys: ArcSwap<MasterKeys>,
    db: Arc<dyn Database>,
}

impl Sealed {
    /// Reads the key file, making it when there is none, and looks whether it holds the keys that
    /// the store was sealed with.
    ///
    /// # Errors
    /// The file cannot be used, or is of another store.
    pub async fn open(file: &Path, db: Arc<dyn Database>) -> anyhow::Result<Sealed> {
        Sealed::with(MasterKeys::load_or_create(file)?, file, db).await
    }

    /// The same, and changes nothing.
    pub async fn look(file: &Path, db: Arc<dyn Database>) -> anyhow::Result<Sealed> {
        Sealed::with(MasterKeys::load(file)?, file, db).await
    }

    async fn with(keys: MasterKeys, file: &Path, db: Arc<dyn Database>) -> anyhow::Result<Sealed> {
        let sealed = Sealed { file: file.to_owned(), keys: ArcSwap::from_pointee(keys), db };
        sealed.check().await?;
        Ok(sealed)
    }

    /// Seals values, and gives what makes sure, in the same commit, that the key they are sealed
    /// with is not being replaced.
    pub async fn seal(&self, path: SecretPath, values: &Values) -> Result<(Kept, Statement)> {
        let named = named_master(&*self.db).await?;
        let keys = self.keys_with(&named);
        let master = if named.is_empty() { Some(keys.current()) } else { keys.find(&named) };
        let master = master.ok_or_else(|| self.unknown(&named))?;
        let envelope = Envelope::seal(master, path, values)?;
        let still = name_master(master.id.as_str(), &named);
        Ok((Kept::Sealed { master: master.id.to_string(), envelope }, still))
    }

    /// Opens what was sealed for this path and these names.
    pub fn open_record<'a>(
        &self,
        path: SecretPath,
        names: impl IntoIterator<Item = &'a SecretName>,
        master: &str,
        envelope: &Envelope,
    ) -> Result<Values> {
        let keys = self.keys_with(master);
        let master = keys.find(master).ok_or_else(|| self.unknown(master))?;
        envelope.open(master, path, names)
    }

    /// Whether every key that the store names is in the file.
    ///
    /// # Errors
    /// One is not, or the store does not answer.
    async fn check(&self) -> anyhow::Result<()> {
        let mut named = vec![named_master(&*self.db).await?];
        let sql = "SELECT DISTINCT master FROM secrets WHERE master IS NOT NULL";
        for row in self.db.query(sql, vec![]).await? {
            named.push(row.text(0)?.to_owned());
        }
        let keys = self.keys.load();
        let missing = named.iter().find(|it| !it.is_empty() && keys.find(it).is_none());
        match missing {
            None => Ok(()),
            Some(id) => anyhow::bail!(
                "`{}` is not the key that the secrets in the store are sealed with (that one is \
                 named {id}): put it back from a backup",
                self.file.display()
            ),
        }
    }

    /// The keys, read again when one is asked for that is not among them: a rotation may have come
    /// in between.
    fn keys_with(&self, id: &str) -> Arc<MasterKeys> {
        let keys = self.keys.load_full();
        if id.is_empty() || keys.find(id).is_some() {
            return keys;
        }
        match MasterKeys::load(&self.file) {
            Ok(fresh) => {
                let fresh = Arc::new(fresh);
                self.keys.store(fresh.clone());
                fresh
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the master keys are not read again");
                keys
            }
        }
    }

    fn unknown(&self, master: &str) -> Error {
        tracing::error!(file = %self.file.display(), master, "a master key is not in the file");
        Error::Unavailable { what: super::WHAT }
    }
}

/// Which key wraps, as the store names it; empty before the first seal.
async fn named_master(db: &dyn Database) -> Result<String> {
    let rows = db.query("SELECT master FROM secret_master WHERE id = 1", vec![]).await?;
    let row = rows.first().ok_or_else(|| Error::internal("the store names no master key"))?;
    Ok(row.text(0)?.to_owned())
}

/// Names the key that wraps; a conflict when the store names another by now, and not `before`.
fn name_master(id: &str, before: &str) -> Statement {
    Statement::new("UPDATE secret_master SET master = $1 WHERE id = 1 AND master IN ($1, $2)")
        .bind(id)
        .bind(before)
        .expect_rows(1)
}

/// The records that another key than this wraps, a hundred at most.
async fn wrapped_otherwise(db: &dyn Database, id: &str) -> Result<Vec<Record>> {
    let rows = db.query(super::record::WRAPPED_OTHERWISE, vec![id.into()]).await?;
    Ok(rows.iter().map(Record::from_row).collect::<Result<_, _>>()?)
}

/// Whether anything in the store is sealed.
pub async fn is_used(db: &dyn Database) -> anyhow::Result<bool> {
    let sql = "SELECT 1 FROM secrets WHERE master IS NOT NULL LIMIT 1";
    let rows = db.query(sql, vec![]).await.context("looking for sealed secrets")?;
    Ok(!rows.is_empty())
}
