//! The store's own folder in Vault. Whoever sweeps it deletes what this store does not know, so no two
//! stores may share one.

use crate::audit::Ledger;
use crate::authz::Warrant;
use crate::clock::Clock;
use crate::store::{Database, Statement};
use crate::{Error, Result};

/// The name of the folder, made when there is none yet.
#[expect(clippy::disallowed_methods, reason = "a store gets its folder at its first start")]
pub async fn of_store(db: &dyn Database, ledger: &Ledger, clock: &Clock) -> Result<String> {
    let named = named(db).await?;
    if !named.is_empty() {
        return Ok(named);
    }
    let folder = clock.new_id();
    let warrant = Warrant::system("name_vault_folder", clock);
    warrant.note("folder", folder.to_string());
    let name = Statement::new("UPDATE secret_folder SET folder = $1 WHERE id = 1 AND folder = ''");
    match ledger.commit(&warrant, vec![name.bind(folder).expect_rows(1)]).await {
        Ok(()) => Ok(folder.to_string()),
        // Another replica was faster.
        Err(Error::Conflict(_)) => self::named(db).await,
        Err(error) => Err(error),
    }
}

async fn named(db: &dyn Database) -> Result<String> {
    let rows = db.query("SELECT folder FROM secret_folder WHERE id = 1", vec![]).await?;
    let row = rows.first().ok_or_else(|| Error::internal("the store names no folder"))?;
    Ok(row.text(0)?.to_owned())
}
