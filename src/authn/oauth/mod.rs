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

use crate::audit::Ledger;
use crate::clock::Clock;
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
pub use tokens::Granted;

/// What the authorization server knows besides who is asking.
pub struct OAuth {
    pub clients: Clients,
    pub consents: Consents,
    pub resources: Resources,
    /// In whose name it answers (RFC 9207).
    pub issuer: String,
    /// Where its endpoints are.
    pub url: Origin,
    /// What a client asks for that names no scopes.
    pub default_scopes: BTreeSet<String>,
}

impl OAuth {
    pub fn new(settings: &Settings, db: Arc<dyn Database>, ledger: Ledger, clock: Clock) -> OAuth {
        let auth = &settings.auth;
        let url = settings.public_url.clone();
        OAuth {
            clients: Clients::new(db.clone(), ledger, clock.clone()),
            consents: Consents::new(db, clock),
            resources: Resources::new(&auth.audience, &url.to_string(), &auth.resources),
            issuer: auth.issuer.clone(),
            url,
            default_scopes: auth.default_scopes.iter().cloned().collect(),
        }
    }
}
