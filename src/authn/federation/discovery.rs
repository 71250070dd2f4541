//! What an issuer says of itself (OpenID Connect Discovery 1.0, RFC 8414).

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::issuer::Issuer;
use super::untrusted::Untrusted;
use crate::clock::Clock;
use crate::net::outbound::{Documents, Keeping, Outbound, Reach};

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

const KEEPING: Keeping = Keeping {
    task: "discover_issuer",
    bytes_max: 64 * 1024,
    time_max: Duration::from_secs(2),
    fresh: Duration::from_secs(60)..=Duration::from_secs(600),
    stale_max: Duration::from_secs(3600),
    retry_after: Duration::from_secs(10),
    newer_after: Duration::from_secs(60),
    count_max: 100,
};

/// The parts that count here. A cluster, which nobody signs in with, has no endpoints.
#[derive(Clone, Debug, Deserialize)]
pub struct Discovered {
    issuer: String,
    pub jwks_uri: Url,
    pub authorization_endpoint: Option<String>,
    pub token_endpoint: Option<String>,
    /// Whether its answers say whose they are (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

impl Discovered {
    /// Whether a client's secret goes into the body: where the provider takes it nowhere else.
    pub fn wants_secret_in_body(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
        let has = |name: &str| methods.iter().any(|it| it == name);
        has("client_secret_post") && !has("client_secret_basic")
    }
}

pub fn documents(outbound: Arc<Outbound>, clock: Clock) -> Documents<Discovered> {
    let read = |_: &Url, it: Value| {
        Discovered::deserialize(it).map_err(|_| "it does not describe an issuer".to_owned())
    };
    Documents::new(outbound, clock, KEEPING, read)
}

impl super::Federation {
    pub(super) async fn discover(&self, issuer: &Issuer) -> Result<Arc<Discovered>, Untrusted> {
        let url = format!("{}{WELL_KNOWN}", issuer.url.trim_end_matches('/'));
        let url = url.parse().map_err(|_| Untrusted::Discovery)?;
        let found = self.discovered.get(&url, Reach::Configured).await?;
        if found.issuer == issuer.url { Ok(found) } else { Err(Untrusted::Discovery) }
    }
}
