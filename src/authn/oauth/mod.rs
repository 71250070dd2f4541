//! The OAuth 2.1 authorization server, without its wire: clients, requests, codes, consents.

mod client;
mod client_name;
mod metadata;
mod parameters;
mod pkce;
mod redirect;
mod request;
mod resources;
pub mod scopes;

pub use client::{Client, Known};
pub use client_name::ClientName;
pub use metadata::{BadMetadata, ClientKeys, ClientMetadata, Grant, ProofMethod};
pub use parameters::Parameters;
pub use pkce::Challenge;
pub use redirect::RedirectUri;
pub use request::{AuthorizationRequest, Back, Prompt, Refusal, client_id};
pub use resources::Resources;
