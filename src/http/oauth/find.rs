//! Which client an id names: one that is registered here, or one that a document tells of.

use std::net::IpAddr;
use std::sync::Arc;

use crate::authn::oauth::{Client, ClientUrl};
use crate::net::outbound::Failure;
use crate::{App, Error};

/// Why an id names no client.
#[derive(Debug)]
pub enum NoClient {
    Unknown,
    /// Its document says why not.
    Document(Arc<Failure>),
    Failed(Error),
}

/// Finds a client for somebody at `address`, who may not make us ask others without end.
pub async fn client(app: &App, id: &str, address: IpAddr) -> Result<Client, NoClient> {
    if let Ok(id) = id.parse() {
        let found = app.oauth.clients.find(id).await.map_err(NoClient::Failed)?;
        return found.ok_or(NoClient::Unknown);
    }
    let Ok(url) = ClientUrl::parse(id) else { return Err(NoClient::Unknown) };
    if !app.oauth.documents.is_at_hand(&url) {
        app.sign_in_limits.admit_address(address).map_err(NoClient::Failed)?;
    }
    let found = app.oauth.documents.client(&url).await.map_err(NoClient::Document)?;
    Ok(Client::clone(&found))
}
