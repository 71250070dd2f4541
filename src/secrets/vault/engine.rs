//! Dynamic engines: every lease hangs on a token of its own, so that it can be ended by what was
//! known before it was taken.
//!
//! Vault revokes what was leased with a token when it revokes the token. The name of the token (its
//! accessor) is written down before the engine is asked; a crash after that leaves nothing that the
//! name does not reach, and a token dies by itself soon after whatever it was made for.

use std::fmt;
use std::time::Duration;

use rustify::endpoint::Endpoint;
use rustify::enums::{RequestMethod, RequestType, ResponseType};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use tokio::time::timeout;
use vaultrs::api::EndpointResult;
use vaultrs::api::token::requests::CreateTokenRequest;

use super::failure::Failure;
use super::{TIME_MAX, Vault};
use crate::authz::Warrant;
use crate::metrics;
use crate::secrets::values::Values;
use crate::settings::{NoVaultPath, VaultPath};

/// A path of a dynamic engine, such as `database/creds/reader`, that the operator lets tools name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeasePath(VaultPath);

/// Why a path cannot be leased. Says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLeasePath {
    #[error("needs Vault: an operator sets `vault.addr`")]
    NoVault,
    #[error(transparent)]
    NoPath(#[from] NoVaultPath),
    #[error("is not below any of `vault.lease_paths`, which an operator sets")]
    NotListed,
}

/// A token for one lease.
pub struct LeaseToken {
    /// Names the token, and is no secret: with it alone nothing can be read.
    pub accessor: String,
    token: SecretString,
}

/// What an engine gave.
pub struct Leased {
    pub values: Values,
    /// For how long it works, as the engine says.
    pub life: Duration,
}

impl LeasePath {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for LeasePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Vault {
    /// A path that tools may name.
    pub fn lease_path(&self, text: &str) -> Result<LeasePath, BadLeasePath> {
        let path: VaultPath = text.parse()?;
        match self.leasable.iter().any(|it| path.is_in(it.as_str())) {
            true => Ok(LeasePath(path)),
            false => Err(BadLeasePath::NotListed),
        }
    }

    /// A token for one lease, good for `life` and no longer.
    pub async fn lease_token(&self, _: &Warrant, life: Duration) -> Result<LeaseToken, Failure> {
        let seconds = format!("{}s", life.as_secs().max(1));
        let seconds = &seconds;
        let made = self
            .call("lease_token", |it| async move {
                let mut request = CreateTokenRequest::builder();
                request.ttl(seconds.as_str()).explicit_max_ttl(seconds.as_str());
                request.renewable(false).display_name("gatewright-lease");
                vaultrs::token::new(&it.client, Some(&mut request)).await
            })
            .await?;
        Ok(LeaseToken { accessor: made.accessor, token: made.client_token.into() })
    }

    /// Asks the engine, in the name of this token.
    pub async fn take_lease(
        &self,
        _: &Warrant,
        token: &LeaseToken,
        path: &LeasePath,
    ) -> Result<Leased, Failure> {
        let start = self.clock.monotonic();
        let taken = timeout(TIME_MAX, self.ask(token, path)).await;
        let taken = taken.unwrap_or(Err(Failure::TimedOut));
        let outcome = taken.as_ref().map_or_else(Failure::outcome, |_| "done");
        metrics::vault("lease", outcome, start.elapsed());
        taken
    }

    async fn ask(&self, token: &LeaseToken, path: &LeasePath) -> Result<Leased, Failure> {
        let client = self.door.client(token.token.expose_secret());
        let endpoint = Dynamic(path).with_middleware(&client.middle);
        let answer = endpoint.exec(&client.http).await?;
        let said: EndpointResult<Map<String, Value>> = answer.wrap()?;
        if said.lease_id.is_empty() {
            return Err(Failure::NotLeased);
        }
        let mut values = Values::default();
        for (name, value) in said.data.unwrap_or_default() {
            let text = match value {
                Value::String(it) => it,
                other => other.to_string(),
            };
            values.insert(name.parse().map_err(|_| Failure::Unreadable)?, text.into());
        }
        Ok(Leased { values, life: Duration::from_secs(said.lease_duration.into()) })
    }

    /// Ends the token of this name and what was leased with it; one that is gone is no error.
    pub async fn revoke(&self, _: &Warrant, accessor: &str) -> Result<(), Failure> {
        let revoke = |it: std::sync::Arc<super::Session>| async move {
            vaultrs::token::revoke_accessor(&it.client, accessor).await
        };
        match self.call("revoke", revoke).await {
            Ok(()) | Err(Failure::Status(400)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Until when whatever hangs on our own session can last; none when it does not end.
    pub fn session_left(&self) -> Option<Duration> {
        self.session.load().as_ref()?.left(self.clock.monotonic())
    }
}

struct Dynamic<'a>(&'a LeasePath);

impl Endpoint for Dynamic<'_> {
    type Response = Map<String, Value>;
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        self.0.to_string()
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::GET
    }
}
