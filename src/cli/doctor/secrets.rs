//! Where secrets are kept: the master key that is the store's, Vault that answers.

use std::sync::Arc;

use super::Finding;
use super::store::Standing;
use crate::clock::Clock;
use crate::secrets;
use crate::settings::Settings;
use crate::store::Database;

const OF: &str = "secrets";

pub async fn examine(settings: &Settings, store: Option<&Standing>, clock: &Clock) -> Vec<Finding> {
    let mut findings = Vec::new();
    match secrets::ask_vault(settings, clock.clone()).await {
        Ok(None) => {}
        Ok(Some(place)) => findings.push(Finding::well(OF, format!("in {place}"))),
        Err(error) => {
            let mend = "start or unseal it, or correct `[vault]`; until then calls that need a \
                        secret are refused";
            findings.push(Finding::broken(OF, format!("{error:#}"), mend));
        }
    }
    let db = store.map(|it| it.db.clone());
    findings.extend(sealed(settings, db).await);
    findings
}

async fn sealed(settings: &Settings, db: Option<Arc<dyn Database>>) -> Option<Finding> {
    let file = &settings.secrets.master_key_file;
    let name = file.display();
    let used = match &db {
        Some(db) => secrets::is_sealed(&**db).await.unwrap_or(false),
        None => false,
    };
    match db.filter(|_| file.exists()) {
        Some(db) => Some(match secrets::check_master_key(file, db).await {
            Ok(()) => Finding::well(OF, format!("sealed in the store with `{name}`")),
            Err(error) => {
                let mend = "put the file back from a backup; secrets open with no other";
                Finding::broken(OF, format!("{error:#}"), mend)
            }
        }),
        None if used => {
            let said = format!("`{name}` is not there, and secrets are sealed with it");
            Some(Finding::broken(OF, said, "put it back from a backup; nothing else opens them"))
        }
        None if file.exists() || settings.vault.addr.is_some() => None,
        None => {
            let mend = "`gatewright init`, or the first start; then back it up";
            Some(Finding::weak(OF, format!("`{name}` is not there"), mend))
        }
    }
}
