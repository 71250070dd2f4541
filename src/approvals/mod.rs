//! Human in the loop: what policy allows only with a person's yes, and the yes to exactly that.
//!
//! pending → approved → consumed; or rejected, cancelled, expired. An approval is bound to the
//! digest of one request, and the call that uses it marks it so in its own commit.

pub mod access_request;
mod actions;
mod approval;
mod consume;
mod decide;
mod follow;
mod instead;
mod keep;
mod notices;
mod request;
mod shown;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use self::approval::columns;
use self::follow::News;
use crate::Result;
use crate::audit::Ledger;
use crate::authn::api_keys::ApiKeys;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::net::outbound::Outbound;
use crate::settings::Settings;
use crate::store::{Database, Value};

pub use access_request::RequestKey;
pub use actions::{
    CancelApproval, DecideApproval, FollowApprovals, ListApprovals, RequestApproval, ShowApproval,
    Verdict,
};
pub use approval::Approval;
pub use consume::{Consumption, consumed};
pub use follow::{Following, SEAT_TIME_MAX};
pub use instead::{Awaiting, Instead};
pub use shown::{Shown, shown};
pub use signature::signing_key;

/// The approvals there are.
pub struct Approvals {
    pub(crate) clock: Clock,
    db: Arc<dyn Database>,
    ledger: Ledger,
    directory: Arc<Directory>,
    api_keys: Arc<ApiKeys>,
    outbound: Arc<Outbound>,
    terms: Terms,
    news: News,
}

/// What the approvals are made of.
pub struct Parts {
    pub db: Arc<dyn Database>,
    pub ledger: Ledger,
    pub directory: Arc<Directory>,
    pub api_keys: Arc<ApiKeys>,
    pub outbound: Arc<Outbound>,
    pub clock: Clock,
}

/// What the operator decided about approvals.
struct Terms {
    /// How long somebody may take to decide.
    pending: Duration,
    /// How long a yes may wait to be used.
    approved: Duration,
    webhook: Option<Webhook>,
    /// Where callers find this server.
    public_url: String,
}

/// Who is told of new approvals.
struct Webhook {
    url: Url,
    secret: SecretString,
}

impl Approvals {
    pub fn new(settings: &Settings, parts: Parts) -> Approvals {
        let Parts { db, ledger, directory, api_keys, outbound, clock } = parts;
        let public_url = settings.public_url.to_string();
        let settings = &settings.approvals;
        let seconds = |it: u32| Duration::from_secs(it.into());
        let webhook = match (&settings.webhook_url, &settings.webhook_secret) {
            (Some(url), Some(secret)) => Some(Webhook { url: url.clone(), secret: secret.clone() }),
            _ => None,
        };
        let terms = Terms {
            pending: seconds(settings.pending_ttl_seconds),
            approved: seconds(settings.approved_ttl_seconds),
            webhook,
            public_url,
        };
        let news = News::default();
        Approvals { clock, db, ledger, directory, api_keys, outbound, terms, news }
    }

    /// Where callers find this server.
    pub fn public_url(&self) -> &str {
        &self.terms.public_url
    }

    pub(crate) async fn find(&self, id: Uuid) -> Result<Option<Arc<Approval>>> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM approvals WHERE id = $1");
        Ok(self.select(SQL, vec![id.into()]).await?.pop())
    }

    /// The approval of this id, if this principal asked for it.
    pub(crate) async fn of(&self, principal: Uuid, id: Uuid) -> Result<Option<Arc<Approval>>> {
        Ok(self.find(id).await?.filter(|it| it.principal_id == principal))
    }

    async fn select(&self, sql: &'static str, params: Vec<Value>) -> Result<Vec<Arc<Approval>>> {
        let now = self.clock.micros();
        let rows = self.db.query(sql, params).await?;
        rows.iter().map(|row| Approval::from_row(row, now)).collect()
    }
}

/// Microseconds, for what is kept as an instant.
fn micros(it: Duration) -> i64 {
    i64::try_from(it.as_micros()).unwrap_or(i64::MAX)
}
