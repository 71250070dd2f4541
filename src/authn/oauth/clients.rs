//! The clients that are registered here (RFC 7591).

use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use rand::TryRngCore as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::client::{Client, Known};
use super::metadata::ClientMetadata;
use crate::audit::Ledger;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, TheRegistry, World};
use crate::clock::Clock;
use crate::store::{Database, Row, Statement};
use crate::{Error, Result};

/// Making a client known that says for itself what it is.
#[derive(Debug)]
pub struct RegisterClient(pub ClientMetadata);

impl Action for RegisterClient {
    const NAME: &'static str = "register_client";
    const EVENT: &'static str = "client.create";
    type Resource = TheRegistry;

    async fn find(&self, _: &World) -> Result<Option<TheRegistry>> {
        Ok(Some(TheRegistry))
    }

    fn particulars(&self, _: &Self::Resource) -> Particulars {
        Particulars::Token
    }
}

pub struct Clients {
    db: Arc<dyn Database>,
    ledger: Ledger,
    clock: Clock,
}

impl Clients {
    pub fn new(db: Arc<dyn Database>, ledger: Ledger, clock: Clock) -> Clients {
        Clients { db, ledger, clock }
    }

    /// The registered client of this id.
    pub async fn find(&self, id: Uuid) -> Result<Option<Client>> {
        let rows = self
            .db
            .query(
                "SELECT body, secret_hash, created_at FROM oauth_clients WHERE id = $1",
                vec![id.into()],
            )
            .await?;
        rows.first().map(|row| from_row(id, row)).transpose()
    }

    /// Registers a client, and gives the one copy of its secret where it is to have one.
    pub async fn register(
        &self,
        permit: Permit<RegisterClient>,
    ) -> Result<(Client, Option<SecretString>)> {
        let (caller, RegisterClient(metadata), _, warrant) = permit.spend();
        let (id, now) = (self.clock.new_id(), self.clock.micros());
        let secret = metadata.proof.is_secret().then(new_secret).transpose()?;
        let hash = secret.as_ref().map(hash);
        warrant.note("client", id.to_string());
        let insert = Statement::new(
            "INSERT INTO oauth_clients (id, body, secret_hash, created_by, created_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(id)
        .bind(serde_json::to_string(&metadata).map_err(anyhow::Error::from)?)
        .bind(hash.map(|it| it.to_vec()))
        .bind(caller.principal().id())
        .bind(now)
        .expect_rows(1);
        self.ledger.commit(&warrant, vec![insert]).await?;
        let client = Client::new(id.to_string(), Known::Registered { at: now }, metadata, hash)?;
        Ok((client, secret))
    }
}

fn from_row(id: Uuid, row: &Row) -> Result<Client> {
    let hash = row.opt_bytes(1)?.map(<[u8; 32]>::try_from).transpose();
    let hash = hash.map_err(|_| Error::internal("a secret's hash is cut"))?;
    Client::new(id.to_string(), Known::Registered { at: row.int(2)? }, row.json(0)?, hash)
}

/// 256 random bits: guessing is hopeless, so its SHA-256 is enough to store.
fn new_secret() -> Result<SecretString> {
    let mut bytes = [0u8; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(anyhow::Error::from)?;
    Ok(format!("gws_{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)).into())
}

fn hash(secret: &SecretString) -> [u8; 32] {
    Sha256::digest(secret.expose_secret()).into()
}
