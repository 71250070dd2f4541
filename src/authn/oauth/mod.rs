//! The OAuth 2.1 authorization server, without its wire: clients, requests, codes, consents.

mod browsers;
mod client;
mod client_name;
mod clients;
mod codes;
mod consents;
mod metadata;
mod metadata_document;
mod parameters;
mod pkce;
mod redirect;
mod request;
mod resources;
pub mod scopes;
mod tokens;

use std::collections::BTreeSet;
use std::sync::Arc;

use url::Url;

use super::jwks::PublishedKeys;
use super::proofs::{Assertion, KeySet};
use super::request::Service;
use crate::audit::Ledger;
use crate::clock::Clock;
use crate::net::outbound::{Failure, Outbound, Reach};
use crate::settings::{Origin, Settings};
use crate::store::Database;

pub use browsers::{BROWSER_LIFE, BrowserSecret};
pub use client::{Client, Known};
pub use client_name::ClientName;
pub use clients::{Clients, RegisterClient};
pub use codes::{AuthorizeClient, RedeemCode, Redemption};
pub use consents::Consents;
pub use metadata::{BadMetadata, ClientKeys, ClientMetadata, Grant, ProofMethod};
pub use metadata_document::{BadClientUrl, ClientUrl, MetadataDocuments};
pub use parameters::Parameters;
pub use pkce::Challenge;
pub use redirect::RedirectUri;
pub use request::{AuthorizationRequest, Back, Prompt, Refusal, client_id};
pub use resources::Resources;
pub use tokens::{ACCESS_TOKEN, Granted, JWT};

/// Where a protected resource without a path has its metadata (RFC 9728 section 3).
pub const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";
/// The same of the MCP server, whose path stands behind it.
pub const MCP_METADATA: &str = "/.well-known/oauth-protected-resource/mcp";
/// Where the MCP server is.
pub const MCP: &str = "/mcp";

/// What the authorization server knows besides who is asking.
pub struct OAuth {
    pub clients: Clients,
    pub documents: MetadataDocuments,
    /// Kept apart from those of issuers, which clients must not crowd out.
    published_keys: PublishedKeys,
    pub consents: Consents,
    pub resources: Resources,
    /// In whose name it answers (RFC 9207).
    pub issuer: String,
    /// Where its endpoints are.
    pub url: Origin,
    /// What a client asks for that names no scopes.
    pub default_scopes: BTreeSet<String>,
    /// Where this API tells which authorization server it believes (RFC 9728).
    pub resource_metadata_url: Arc<str>,
    /// Where the MCP server tells it.
    pub mcp_metadata_url: Arc<str>,
}

impl OAuth {
    pub fn new(
        settings: &Settings,
        db: Arc<dyn Database>,
        ledger: Ledger,
        outbound: Arc<Outbound>,
        clock: Clock,
    ) -> OAuth {
        let auth = &settings.auth;
        let url = settings.public_url.clone();
        OAuth {
            clients: Clients::new(db.clone(), ledger, clock.clone()),
            documents: MetadataDocuments::new(outbound.clone(), clock.clone()),
            published_keys: PublishedKeys::new(outbound, clock.clone()),
            consents: Consents::new(db, clock),
            resources: resources(settings),
            issuer: auth.issuer.clone(),
            resource_metadata_url: format!("{url}{RESOURCE_METADATA}").into(),
            mcp_metadata_url: format!("{url}{MCP_METADATA}").into(),
            url,
            default_scopes: auth.default_scopes.iter().cloned().collect(),
        }
    }

    /// The metadata of the service that was asked, for whoever was refused there.
    pub fn metadata_url(&self, service: Service) -> Arc<str> {
        match service {
            Service::Api => self.resource_metadata_url.clone(),
            Service::Mcp => self.mcp_metadata_url.clone(),
        }
    }

    /// The keys that a client publishes at `url`, with the one that the assertion names if there is
    /// such a one.
    ///
    /// # Errors
    /// There are none to be had.
    pub async fn keys_at(
        &self,
        url: &Url,
        assertion: &Assertion<'_>,
    ) -> Result<Arc<KeySet>, Arc<Failure>> {
        let (key_id, algorithm) = assertion.made_with();
        self.published_keys.with_key(url, Reach::Public, key_id, algorithm).await
    }
}

/// The services that tokens are given for: this one by its two names, its MCP server, and others.
fn resources(settings: &Settings) -> Resources {
    let (auth, url) = (&settings.auth, &settings.public_url);
    let mcp = mcp_audience(url);
    let others: Vec<String> = std::iter::once(mcp).chain(auth.resources.iter().cloned()).collect();
    Resources::new(&auth.audience, &url.to_string(), &others)
}

/// The audience of tokens for the MCP server of the service at `url`.
pub fn mcp_audience(url: &Origin) -> String {
    format!("{url}{MCP}")
}
