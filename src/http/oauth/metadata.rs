//! What a client can learn of us before it begins (RFC 8414, RFC 9728). It is drawn from what there
//! is: an endpoint that no route answers is not told of.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use warp::http::{HeaderValue, header};
use warp::reply::{Reply as _, Response, json};

use super::super::call::Call;
use super::super::routes;
use super::token::GRANTS;
use crate::authn::oauth::mcp_audience;
use crate::authn::proofs::ALGORITHMS;
use crate::{App, Result};

const FRESH: HeaderValue = HeaderValue::from_static("public, max-age=300");
const AUTH_METHODS: [&str; 4] =
    ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];

/// RFC 8414.
#[derive(Serialize, JsonSchema)]
pub struct ServerMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection_endpoint: Option<String>,
    jwks_uri: String,
    /// What any client may ask for; there may be more.
    scopes_supported: Vec<String>,
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: Vec<&'static str>,
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// Of client assertions (`private_key_jwt`).
    token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// RFC 9449 section 5.1.
    dpop_signing_alg_values_supported: Vec<&'static str>,
    code_challenge_methods_supported: [&'static str; 1],
    /// RFC 9207.
    authorization_response_iss_parameter_supported: bool,
    client_id_metadata_document_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    service_documentation: String,
}

/// RFC 9728.
#[derive(Serialize, JsonSchema)]
pub struct ResourceMetadata {
    resource: String,
    authorization_servers: [String; 1],
    jwks_uri: String,
    /// What any client may ask for; there may be more.
    scopes_supported: Vec<String>,
    bearer_methods_supported: [&'static str; 1],
    dpop_signing_alg_values_supported: Vec<&'static str>,
    dpop_bound_access_tokens_required: bool,
    resource_name: &'static str,
    resource_documentation: String,
}

pub async fn server(app: Arc<App>, _: Call) -> Result<Response> {
    let at = |path: &str| format!("{}{path}", app.oauth.url);
    let where_routed = |path: &str| routes().iter().any(|it| it.path == path).then(|| at(path));
    let document = ServerMetadata {
        issuer: app.oauth.issuer.clone(),
        authorization_endpoint: at("/oauth/authorize"),
        token_endpoint: at("/oauth/token"),
        registration_endpoint: where_routed("/oauth/register"),
        revocation_endpoint: where_routed("/oauth/revoke"),
        introspection_endpoint: where_routed("/oauth/introspect"),
        jwks_uri: at("/.well-known/jwks.json"),
        scopes_supported: app.oauth.default_scopes.iter().cloned().collect(),
        response_types_supported: ["code"],
        response_modes_supported: ["query"],
        grant_types_supported: GRANTS.into(),
        token_endpoint_auth_methods_supported: AUTH_METHODS.into(),
        token_endpoint_auth_signing_alg_values_supported: ALGORITHMS.into(),
        dpop_signing_alg_values_supported: ALGORITHMS.into(),
        code_challenge_methods_supported: ["S256"],
        authorization_response_iss_parameter_supported: true,
        client_id_metadata_document_supported: true,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
        service_documentation: at("/docs"),
    };
    Ok(cached(json(&document).into_response()))
}

pub async fn resource(app: Arc<App>, _: Call) -> Result<Response> {
    let (resource, resource_name) = (app.oauth.url.to_string(), "Gatewright");
    Ok(described(&app, resource, resource_name))
}

pub async fn mcp_resource(app: Arc<App>, _: Call) -> Result<Response> {
    let (resource, resource_name) = (mcp_audience(&app.oauth.url), "Gatewright's tools (MCP)");
    Ok(described(&app, resource, resource_name))
}

fn described(app: &App, resource: String, resource_name: &'static str) -> Response {
    let at = |path: &str| format!("{}{path}", app.oauth.url);
    let document = ResourceMetadata {
        resource,
        authorization_servers: [app.oauth.issuer.clone()],
        jwks_uri: at("/.well-known/jwks.json"),
        scopes_supported: app.oauth.default_scopes.iter().cloned().collect(),
        bearer_methods_supported: ["header"],
        dpop_signing_alg_values_supported: ALGORITHMS.into(),
        dpop_bound_access_tokens_required: false,
        resource_name,
        resource_documentation: at("/docs"),
    };
    cached(json(&document).into_response())
}

fn cached(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, FRESH);
    response
}
