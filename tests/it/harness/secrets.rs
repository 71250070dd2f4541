//! The room of secrets driven directly, on a store of the test's own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gatewright::app::audit_signer;
use gatewright::audit::Ledger;
use gatewright::authz::Warrant;
use gatewright::clock::Clock;
use gatewright::secrets::{Change, SecretPath, Secrets, Values};
use gatewright::settings::{self, Settings};
use gatewright::store::{Database, Sqlite, Statement};
use gatewright::{Error, Result};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

/// Secrets, and what they stand on.
pub struct Room {
    pub secrets: Arc<Secrets>,
    pub db: Arc<dyn Database>,
    pub ledger: Ledger,
    pub clock: Clock,
}

/// A store in memory.
pub async fn memory() -> Arc<dyn Database> {
    let db = Sqlite::in_memory().unwrap();
    db.migrate().await.unwrap();
    Arc::new(db)
}

/// Settings that seal and sign with the keys of this folder, which are made as needed.
pub fn sealing_in(folder: &Path) -> Settings {
    let mut settings = Settings::default();
    settings.secrets.master_key_file = folder.join("secrets.key");
    settings.audit.key_file = folder.join("audit.key");
    settings
}

/// Settings that lead to this Vault and keep in this folder whatever keys they need.
pub fn leading_to(vault: settings::Vault, folder: &Path) -> Settings {
    Settings { vault, ..sealing_in(folder) }
}

/// What the service does on nobody's behalf.
#[expect(clippy::disallowed_methods, reason = "a test acts on nobody's behalf")]
pub fn warrant() -> Warrant {
    Warrant::system("test", &Clock::system())
}

/// `{name: value}` as it stands in a request.
pub fn given(pairs: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<SecretString>> {
    let pair =
        |(name, value): &(&str, Option<&str>)| ((*name).to_owned(), value.map(SecretString::from));
    pairs.iter().map(pair).collect()
}

/// Names and values, opened.
pub fn opened(values: &Values) -> Vec<(String, String)> {
    let pairs = values.iter();
    pairs.map(|(name, it)| (name.to_string(), it.expose_secret().to_owned())).collect()
}

/// The path of a tool's own values.
pub fn tool(id: u128) -> SecretPath {
    SecretPath::tool(Uuid::from_u128(id))
}

impl Room {
    pub async fn open(settings: &Settings, db: Arc<dyn Database>) -> Room {
        Room::try_open(settings, db).await.unwrap()
    }

    pub async fn try_open(settings: &Settings, db: Arc<dyn Database>) -> anyhow::Result<Room> {
        let clock = Clock::manual(Clock::system().now());
        let signer = audit_signer(settings)?;
        let ledger = Ledger::start(db.clone(), signer, clock.clone()).await?;
        let secrets = Secrets::open(settings, db.clone(), ledger.clone(), clock.clone()).await?;
        Ok(Room { secrets: Arc::new(secrets), db, ledger, clock })
    }

    /// The statements of a patch of the values at a path.
    pub async fn stage(
        &self,
        path: SecretPath,
        patch: &[(&str, Option<&str>)],
    ) -> Result<Vec<Statement>> {
        let known = self.secrets.names(&warrant(), path).await?;
        let change = Change::merge("/secrets", given(patch), &known)?;
        Ok(self.secrets.stage(&warrant(), path, change).await?.statements)
    }

    pub async fn commit(&self, statements: Vec<Statement>) -> Result<()> {
        self.ledger.commit(&warrant(), statements).await
    }

    /// Stages and commits.
    pub async fn write(&self, path: SecretPath, patch: &[(&str, Option<&str>)]) -> Result<()> {
        self.commit(self.stage(path, patch).await?).await
    }

    /// The values at a path.
    pub async fn read(&self, path: SecretPath) -> Result<Vec<(String, String)>> {
        Ok(opened(&self.secrets.read(&warrant(), path).await?))
    }

    /// The names at a path, parted by spaces.
    pub async fn names(&self, path: SecretPath) -> String {
        let names = self.secrets.names(&warrant(), path).await.unwrap();
        names.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Its folder in Vault, as Vault's paths of metadata name it.
    pub async fn folder(&self) -> String {
        let rows = self.db.query("SELECT folder FROM secret_folder", vec![]).await.unwrap();
        format!("secret/metadata/gatewright/{}", rows[0].text(0).unwrap())
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        self.db.query(sql, vec![]).await.unwrap()[0].int(0).unwrap()
    }

    /// Every byte of the columns of this query.
    pub async fn bytes(&self, sql: &'static str, columns: usize) -> Vec<u8> {
        let rows = self.db.query(sql, vec![]).await.unwrap();
        let mut all = Vec::new();
        for row in &rows {
            for column in 0..columns {
                match (row.opt_text(column), row.opt_bytes(column)) {
                    (Ok(Some(it)), _) => all.extend_from_slice(it.as_bytes()),
                    (_, Ok(Some(it))) => all.extend_from_slice(it),
                    _ => {}
                }
            }
        }
        all
    }
}

/// Pairs of text.
pub fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The secret store is not there for this, and says so.
#[track_caller]
pub fn assert_unavailable<T>(result: Result<T>) {
    match result.err() {
        Some(Error::Unavailable { what }) => assert_eq!(what, "the secret store"),
        other => panic!("{other:?}"),
    }
}
