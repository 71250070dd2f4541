//! What anyone may know: public keys and the revocation feed.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use warp::http::{HeaderValue, header};
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use crate::{App, Result};

const KEYS_FRESH: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The schema of `/.well-known/biscuit-keys.json`.
#[derive(Serialize, JsonSchema)]
pub struct BiscuitKeys {
    keys: Vec<BiscuitKey>,
    /// The issuer that credentials must name.
    issuer: String,
}

#[derive(Serialize, JsonSchema)]
pub struct BiscuitKey {
    key_id: u32,
    /// `ed25519`
    algorithm: String,
    /// Hexadecimal.
    public_key: String,
    not_before: String,
    not_after: Option<String>,
}

/// The schema of a page of the revocation feed.
#[derive(Serialize, JsonSchema)]
pub struct FeedPage {
    since: String,
    /// Send it as `since` for what comes next.
    cursor: String,
    credential_ids: Vec<String>,
    /// Hexadecimal.
    revocation_ids: Vec<String>,
    issued_at: String,
    /// Whether more was revoked than this page has room for.
    more: bool,
    /// The root key that signed the page.
    key_id: u32,
    /// Ed25519, hexadecimal.
    signature: String,
}

/// The verifier key of audit checkpoints.
#[derive(Serialize, JsonSchema)]
pub struct AuditKey {
    /// C2SP signed-note verifier key: `name+id+base64`.
    verifier_key: String,
}

pub async fn jwks(app: Arc<App>, _: Call) -> Result<Response> {
    Ok(cached(json(app.authn.jwks()).into_response()))
}

pub async fn biscuit_keys(app: Arc<App>, _: Call) -> Result<Response> {
    Ok(cached(json(&app.credentials.keys_document()).into_response()))
}

pub async fn audit_key(app: Arc<App>, _: Call) -> Result<Response> {
    let verifier_key = app.audit.public_key().to_owned();
    Ok(cached(json(&AuditKey { verifier_key }).into_response()))
}

pub async fn revocations(app: Arc<App>, call: Call) -> Result<Response> {
    let mut query = call.query();
    let since = query.text("since").unwrap_or_default().to_owned();
    query.end()?;
    Ok(json(&app.credentials.feed(&since).await?).into_response())
}

pub fn cached(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, KEYS_FRESH);
    response
}
