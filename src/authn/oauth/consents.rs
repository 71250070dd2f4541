//! What people have let clients hold, so that they are asked once.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::Result;
use crate::clock::Clock;
use crate::store::{Database, Statement};

pub struct Consents {
    db: Arc<dyn Database>,
    clock: Clock,
}

impl Consents {
    pub fn new(db: Arc<dyn Database>, clock: Clock) -> Consents {
        Consents { db, clock }
    }

    /// The scopes that this user lets this client hold.
    pub async fn given(&self, user: Uuid, client: &str) -> Result<BTreeSet<String>> {
        let rows = self
            .db
            .query(
                "SELECT scopes FROM consents WHERE user_id = $1 AND client_id = $2",
                vec![user.into(), client.into()],
            )
            .await?;
        let scopes = rows.first().map(|row| row.json(0)).transpose()?;
        Ok(scopes.unwrap_or_default())
    }

    /// What makes `scopes` all that this user lets this client hold.
    pub fn give(&self, user: Uuid, client: &str, scopes: &BTreeSet<String>) -> Statement {
        Statement::new(
            "INSERT INTO consents (user_id, client_id, scopes, granted_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id, client_id) DO UPDATE
             SET scopes = excluded.scopes, granted_at = excluded.granted_at",
        )
        .bind(user)
        .bind(client)
        .bind(serde_json::json!(scopes).to_string())
        .bind(self.clock.micros())
        .expect_rows(1)
    }
}
