//! A new master key: the file holds both until every data key is wrapped by the new one. A crash at
//! any point leaves what opens, and the next rotation goes on where this one stopped.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;

use super::keys::{MasterKey, MasterKeys};
use super::{Sealed, name_master, named_master, wrapped_otherwise};
use crate::audit::Ledger;
use crate::authz::Warrant;
use crate::clock::Clock;
use crate::secrets::record::{Kept, Record};
use crate::store::Statement;

/// What a rotation did.
#[derive(Debug)]
pub struct Rotated {
    /// The key that wraps now.
    pub to: String,
    /// How many records it took over.
    pub records: usize,
    /// Whether it went on with one that had not ended.
    pub resumed: bool,
}

impl Sealed {
    /// Makes a new master key and has it wrap every data key; the old one is taken out of the file
    /// at the end. Servers that run on this file read it again when they need to.
    pub async fn rotate(&self, ledger: &Ledger, clock: &Clock) -> anyhow::Result<Rotated> {
        let _turn = self.turn()?;
        let keys = MasterKeys::load(&self.file)?;
        let resumed = !keys.older().is_empty();
        let keys = if resumed { keys } else { keys.under(MasterKey::generate()?) };
        keys.replace(&self.file)?;
        let before = named_master(&*self.db).await?;
        let mut records = 0;
        if before != keys.current().id.as_str() {
            self.write(
                ledger,
                clock,
                &keys,
                vec![name_master(keys.current().id.as_str(), &before)],
            )
            .await?;
        }
        loop {
            let wrapped = wrapped_otherwise(&*self.db, keys.current().id.as_str()).await?;
            if wrapped.is_empty() {
                break;
            }
            let statements = wrapped.iter().map(|it| rewrapped(it, &keys));
            let statements = statements.collect::<anyhow::Result<Vec<_>>>()?;
            self.write(ledger, clock, &keys, statements).await?;
            records += wrapped.len();
        }
        let to = keys.current().id.to_string();
        let keys = keys.without_older();
        keys.replace(&self.file)?;
        self.keys.store(keys.into());
        Ok(Rotated { to, records, resumed })
    }

    /// Of two rotations at once, each would put its own new key over the other's.
    fn turn(&self) -> anyhow::Result<File> {
        let folder = self.file.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new(".")))?;
        folder.try_lock().context("another rotation is under way")?;
        Ok(folder)
    }

    #[expect(clippy::disallowed_methods, reason = "whoever can run it on the host may")]
    async fn write(
        &self,
        ledger: &Ledger,
        clock: &Clock,
        keys: &MasterKeys,
        statements: Vec<Statement>,
    ) -> anyhow::Result<()> {
        let warrant = Warrant::system("rotate_master_key", clock);
        warrant.note("master", keys.current().id.as_str());
        warrant.note("statements", statements.len());
        Ok(ledger.commit(&warrant, statements).await?)
    }
}

fn rewrapped(record: &Record, keys: &MasterKeys) -> anyhow::Result<Statement> {
    let Kept::Sealed { master, envelope } = &record.kept else {
        anyhow::bail!("`{}` is not sealed", record.path)
    };
    let from = keys.find(master).ok_or_else(|| {
        anyhow::anyhow!("`{}` is wrapped by {master}, which is not in the file", record.path)
    })?;
    let data_key = envelope.rewrapped(from, keys.current(), record.path)?;
    Ok(record.rewrap(keys.current().id.as_str(), data_key))
}
