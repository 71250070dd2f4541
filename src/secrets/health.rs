//! Whether secrets can be had: for readiness, and for whoever looks after a server.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::Secrets;
use super::sealed::Sealed;
use super::vault::{Failure, Vault};
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

/// Whether the key file is the one that the store is sealed with. Changes nothing.
///
/// # Errors
/// It is not, or cannot be used.
pub async fn check_master_key(file: &Path, db: Arc<dyn Database>) -> anyhow::Result<()> {
    Sealed::look(file, db).await.map(drop)
}

/// Asks the Vault that these settings name, if they name one: where it is.
///
/// # Errors
/// It does not answer as it should, in full words.
pub async fn ask_vault(settings: &Settings, clock: Clock) -> anyhow::Result<Option<String>> {
    let ca_file = settings.outbound.ca_file.as_deref();
    let Some(vault) = Vault::open(&settings.vault, ca_file, clock)? else { return Ok(None) };
    let place = vault.to_string();
    vault.standing().await.map_err(|failure| anyhow::anyhow!("{place} {failure}"))?;
    Ok(Some(place))
}
