//! Credentials: vended on a decision, listed, revoked, verified online for those who must ask.

pub mod attenuate;
mod credential;
mod door;
mod feed;
#[cfg(test)]
pub(crate) mod fixture;
pub mod inspect;
mod introspect;
mod issue;
pub mod keys;
pub mod mint;
mod present;
mod record;
mod residual;
mod revoke;
#[cfg(test)]
mod vectors;
pub mod verify;

use std::sync::Arc;

use uuid::Uuid;

use self::credential::columns;
use self::keys::KeyRing;
use self::verify::KeysDocument;
use crate::Result;
use crate::audit::Ledger;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Candidates, Listing, World};
use crate::clock::Clock;
use crate::store::{Database, Value};

pub use credential::Credential;
pub use door::PresentCredential;
pub use introspect::{IntrospectCredential, Validation};
pub use issue::{ForCall, Issued, RequestCredential, ToolRef, Ttl};
pub use present::Presented;
pub use revoke::{RevokeCredential, of_mandate, of_principal, of_session, of_tool};

/// How many are looked through for one page.
const SCANNED_MAX: i64 = 500;

/// The credentials there are, and the keys they are signed with.
pub struct Credentials {
    keys: KeyRing,
    /// The public URL: the issuer that credentials name.
    issuer: String,
    db: Arc<dyn Database>,
    ledger: Ledger,
    clock: Clock,
}

impl Credentials {
    pub fn new(
        keys: KeyRing,
        issuer: String,
        db: Arc<dyn Database>,
        ledger: Ledger,
        clock: Clock,
    ) -> Credentials {
        Credentials { keys, issuer, db, ledger, clock }
    }

    /// What `/.well-known/biscuit-keys.json` says.
    pub fn keys_document(&self) -> KeysDocument {
        self.keys.document(&self.issuer, self.clock.now())
    }

    /// How many are neither expired nor revoked.
    pub async fn live(&self) -> Result<i64> {
        let rows = self
            .db
            .query(
                "SELECT COUNT(*) FROM credentials WHERE revoked_at IS NULL AND expires_at > $1",
                vec![self.clock.micros().into()],
            )
            .await?;
        Ok(rows.first().map(|it| it.int(0)).transpose()?.unwrap_or_default())
    }

    async fn find(&self, id: Uuid) -> Result<Option<Arc<Credential>>> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM credentials WHERE id = $1");
        let rows = self.db.query(SQL, vec![id.into()]).await?;
        rows.first().map(|row| Credential::from_row(row).map(Arc::new)).transpose()
    }
}

#[derive(Debug)]
pub struct ShowCredential(pub Uuid);

impl Action for ShowCredential {
    const NAME: &'static str = "view_credential";
    const EVENT: &'static str = "credential.show";
    type Resource = Arc<Credential>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Credential>>> {
        world.credentials.find(self.0).await
    }

    fn particulars(&self, _: &Arc<Credential>) -> Particulars {
        Particulars::Token
    }
}

/// The credentials a caller may see, newest first.
#[derive(Debug)]
pub struct ListCredentials {
    pub principal: Option<Uuid>,
    pub tool: Option<Uuid>,
    pub after: Option<Uuid>,
    pub page_size: usize,
}

impl Listing for ListCredentials {
    const NAME: &'static str = "view_credential";
    const EVENT: &'static str = "credential.list";
    type Item = Arc<Credential>;

    async fn candidates(&self, world: &World) -> Result<Candidates<Arc<Credential>>> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM credentials
              WHERE ($1 = '' OR principal_id = $1) AND ($2 = '' OR tool_id = $2)
                AND ($3 = '' OR id < $3)
              ORDER BY id DESC LIMIT $4"
        );
        let text = |id: Option<Uuid>| Value::Text(id.map(|it| it.to_string()).unwrap_or_default());
        let params =
            vec![text(self.principal), text(self.tool), text(self.after), SCANNED_MAX.into()];
        let rows = world.credentials.db.query(SQL, params).await?;
        let items = rows.iter().map(|row| Credential::from_row(row).map(Arc::new));
        Ok(Candidates {
            items: items.collect::<Result<_>>()?,
            more: rows.len() as i64 == SCANNED_MAX,
        })
    }

    fn particulars(&self) -> Particulars {
        Particulars::Token
    }

    fn page_size(&self) -> usize {
        self.page_size
    }

    fn token_after(&self, item: &Arc<Credential>) -> String {
        item.id.to_string()
    }
}
