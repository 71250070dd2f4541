//! The store of this host, for those who may read it anyway.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::cli::settings;
use crate::policy::bundles::declared;
use crate::policy::replay::AtHand;
use crate::policy::{Bundle, Sources};
use crate::settings::{DatabaseUrl, Settings, SettingsArgs};
use crate::store::{self, Database};

#[derive(Debug, Args)]
pub struct HostArgs {
    /// The store to read on this host: `sqlite:PATH` or `postgres://…`; without it, the one that the
    /// settings name
    #[arg(long, value_name = "URL")]
    pub database: Option<DatabaseUrl>,
    /// TOML file of settings; ./gatewright.toml when there is one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// A store to be read, and what is known of the bundles that decided there.
pub struct Host {
    pub db: Arc<dyn Database>,
    settings: Option<Settings>,
}

impl Host {
    /// Opens the store, and makes none.
    pub fn open(args: &HostArgs) -> anyhow::Result<Host> {
        let (url, settings) = match &args.database {
            Some(url) => (url.clone(), None),
            None => {
                let mut from = SettingsArgs::default();
                from.config.clone_from(&args.config);
                let settings = settings(&from)?;
                (settings.database.url.clone(), Some(settings))
            }
        };
        if let DatabaseUrl::SqliteFile(path) = &url {
            anyhow::ensure!(path.exists(), "there is no store at `{}`", path.display());
        }
        Ok(Host { db: store::open(&url)?, settings })
    }

    /// What is known of the bundles that decided there: what they counted, and the one whole that
    /// the settings name.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn at_hand(&self) -> anyhow::Result<AtHand> {
        let known = AtHand::knowing(declared(&*self.db).await?);
        let named = self.settings.as_ref().and_then(|it| {
            let sources = Sources::read(&it.policy.schema_dir, &it.policy.dir);
            sources.and_then(Bundle::tested_before).ok()
        });
        Ok(named.into_iter().map(Arc::new).fold(known, AtHand::with))
    }
}
