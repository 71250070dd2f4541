//! Whether secrets can be had: for readiness, and for whoever looks after a server.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::sealed::Sealed;
use super::vault::{Failure, Vault};
use super::{Secrets, sealed};
use crate::authz::Warrant;
use crate::clock::Clock;
use crate::settings::Settings;
use crate::store::Database;

/// Anybody may ask for readiness; Vault is asked no more often than this.
const AGE_MAX: Duration = Duration::from_secs(1);

/// What Vault said last.
#[derive(Default)]
pub struct Health(Mutex<Option<(Instant, Result<(), Failure>)>>);

impl Secrets {
    /// Whether secrets can be had, in words that anybody may read.
    pub async fn standing(&self, _: &Warrant) -> Result<(), &'static str> {
        let Some(vault) = &self.vault else { return Ok(()) };
        let mut last = self.health.0.lock().await;
        let now = self.clock.monotonic();
        let standing = match &*last {
            Some((at, standing)) if now.duration_since(*at) < AGE_MAX => standing.clone(),
            _ => {
                let standing = vault.standing().await;
                *last = Some((self.clock.monotonic(), standing.clone()));
                standing
            }
        };
        standing.map_err(|it| it.brief())
    }
}

/// Looks at where these settings keep secrets, in full words, and changes nothing: what it is, or
/// what is wrong with it. `db` is the store, where there is one.
///
/// # Errors
/// The key file or Vault cannot be used.
pub async fn examine(
    settings: &Settings,
    db: Option<Arc<dyn Database>>,
    clock: Clock,
) -> anyhow::Result<String> {
    let ca_file = settings.outbound.ca_file.as_deref();
    let vault = Vault::open(&settings.vault, ca_file, clock)?;
    let file = &settings.secrets.master_key_file;
    if let Some(db) = db
        && (file.exists() || sealed::is_used(&*db).await?)
    {
        Sealed::look(file, db).await?;
    }
    match vault {
        None => Ok(sealed_here(file)),
        Some(vault) => {
            let place = vault.to_string();
            vault.standing().await.map_err(|it| anyhow::anyhow!("{place} {it}"))?;
            Ok(format!("in {place}"))
        }
    }
}

fn sealed_here(file: &Path) -> String {
    format!("sealed in the store with `{}`", file.display())
}
