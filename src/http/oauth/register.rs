//! `/oauth/register`: clients that make themselves known (RFC 7591).

use std::sync::Arc;

use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::Value;
use warp::http::StatusCode;
use warp::reply::{Reply as _, Response, json};

use super::super::call::Call;
use super::fault::Fault;
use super::no_store;
use crate::authn::oauth::{Client, ClientKeys, ClientMetadata, Known, ProofMethod, RegisterClient};
use crate::{App, Error, Result};

/// What is kept of a registration, and what the client is known by from now on.
#[derive(Serialize, JsonSchema)]
pub struct Registration {
    client_id: String,
    /// Seconds since the epoch.
    client_id_issued_at: i64,
    /// Shown this once; only for clients that prove themselves by a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// 0: it does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    redirect_uris: Vec<String>,
    grant_types: Vec<&'static str>,
    response_types: [&'static str; 1],
    token_endpoint_auth_method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
}

/// Who asks is a guest where there is no token; whether guests may is policy's to say.
pub async fn register(app: Arc<App>, call: Call) -> Result<Response> {
    // A registration stays: strangers must not fill the disk with them.
    app.sign_in_limits.admit_address(call.origin.ip)?;
    let caller = app.identify_or_guest(call.request(), call.origin.clone())?;
    let metadata = match call.json::<Value>() {
        Ok(document) => {
            ClientMetadata::parse(&document).map_err(|why| Fault::new(why.code(), why.to_string()))
        }
        Err(error @ (Error::Malformed(_) | Error::Invalid(_))) => {
            Err(Fault::new("invalid_client_metadata", error.to_string()))
        }
        Err(other) => Err(Fault::Other(other)),
    };
    let metadata = match metadata {
        Ok(it) => it,
        Err(fault) => return fault.respond(),
    };
    let permit = app.authz.authorize(caller, RegisterClient(metadata)).await?;
    let record = permit.warrant().record().clone();
    let registered = app.oauth.clients.register(permit);
    let (client, secret) = app.authz.settled(&record, registered).await?;
    let secret = secret.map(|it| it.expose_secret().to_owned());
    let mut response = json(&registration(client, secret)).into_response();
    *response.status_mut() = StatusCode::CREATED;
    Ok(no_store(response))
}

fn registration(client: Client, client_secret: Option<String>) -> Registration {
    let issued_at = match client.known {
        Known::Registered { at } => at / 1_000_000,
        Known::ByDocument { .. } => 0,
    };
    let ClientMetadata { name, redirect_uris, grants, proof, scopes } = client.metadata;
    let token_endpoint_auth_method = proof.name();
    let (jwks, jwks_uri) = match proof {
        ProofMethod::PrivateKeyJwt(ClientKeys::Inline(set)) => (Some(set), None),
        ProofMethod::PrivateKeyJwt(ClientKeys::At(url)) => (None, Some(url.into())),
        _ => (None, None),
    };
    Registration {
        client_id: client.id,
        client_id_issued_at: issued_at,
        client_secret_expires_at: client_secret.as_ref().map(|_| 0),
        client_secret,
        client_name: name.map(Into::into),
        redirect_uris: redirect_uris.into_iter().map(Into::into).collect(),
        grant_types: grants.into_iter().map(|it| it.as_str()).collect(),
        response_types: ["code"],
        token_endpoint_auth_method,
        scope: scopes.map(|it| Vec::from_iter(it).join(" ")),
        jwks,
        jwks_uri,
    }
}
