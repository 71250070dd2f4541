//! `/oauth/token`: client credentials (RFC 6749 section 4.4), with errors as OAuth clients know them.

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use warp::http::{HeaderMap, HeaderValue, StatusCode, header};
use warp::reply::{Reply as _, Response, json};

use super::super::call::{Call, decoded};
use crate::authn::IssueToken;
use crate::{App, Error, Result};

/// Each is a decision of its own.
const SCOPES_MAX: usize = 64;

#[derive(Deserialize, JsonSchema)]
pub struct TokenForm {
    /// `client_credentials`
    grant_type: String,
    client_id: Option<String>,
    #[schemars(with = "Option<String>")]
    client_secret: Option<SecretString>,
    /// Space-separated; all that policy lets the client hold when left out.
    scope: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    scope: String,
}

/// RFC 6749 section 5.2.
#[derive(Serialize, JsonSchema)]
pub struct TokenError {
    error: &'static str,
    error_description: String,
}

/// Refusals that OAuth has a word for are said in OAuth's words; the rest is a problem document.
pub async fn token(app: Arc<App>, call: Call) -> Result<Response> {
    let form: TokenForm = match call.form() {
        Ok(it) => it,
        Err(error) => return Ok(refuse(400, "invalid_request", error.to_string())),
    };
    if form.grant_type != "client_credentials" {
        let known = "the grant type must be `client_credentials`".to_owned();
        return Ok(refuse(400, "unsupported_grant_type", known));
    }
    if call.headers.contains_key(header::AUTHORIZATION) && form.client_secret.is_some() {
        let twice = "prove who you are by HTTP Basic or in the body, not by both".to_owned();
        return Ok(refuse(400, "invalid_request", twice));
    }
    let Some((id, secret)) = client(&call.headers, &form) else {
        let how = "send client_id and client_secret, once: by HTTP Basic or in the body".to_owned();
        return Ok(refuse(401, "invalid_client", how));
    };
    app.sign_in_limits.admit(call.origin.ip, &id)?;
    let caller = match app.authn.prove_client(&id, &secret, call.origin.clone()).await {
        Ok(it) => it,
        Err(Error::Unauthenticated(unproven)) => {
            return Ok(refuse(401, "invalid_client", unproven.to_string()));
        }
        Err(error) => return Err(error),
    };
    if form.scope.as_deref().is_some_and(|it| it.split_whitespace().count() > SCOPES_MAX) {
        let many = format!("ask for at most {SCOPES_MAX} scopes");
        app.authz.note_refusal(&caller, "auth.token", "invalid_scope").await?;
        return Ok(refuse(400, "invalid_scope", many));
    }
    let scopes = app.holdable_scopes(&caller, form.scope.as_deref())?;
    if scopes.is_empty() && form.scope.is_some() {
        let which = "policy lets this client hold none of these scopes".to_owned();
        app.authz.note_refusal(&caller, "auth.token", "invalid_scope").await?;
        return Ok(refuse(400, "invalid_scope", which));
    }
    let rated = app.rate(&caller).await?;
    let caller = app.authn.rated(caller, rated.risk);
    let permit = match app.authz.authorize(caller, IssueToken).await {
        Ok(it) => it,
        Err(Error::Denied(denial)) => {
            return Ok(refuse(400, "unauthorized_client", denial.detail));
        }
        Err(error) => return Err(error),
    };
    let token = app.authn.issue(permit, scopes, rated.remember).await?;
    let answer = TokenAnswer {
        access_token: token.reveal().to_owned(),
        token_type: "Bearer",
        expires_in: token.ttl.as_secs(),
        scope: token.scopes.join(" "),
    };
    Ok(json(&answer).into_response())
}

/// The client's name and secret, by one way and not by two (RFC 6749 section 2.3.1).
fn client(headers: &HeaderMap, form: &TokenForm) -> Option<(String, SecretString)> {
    match (headers.get(header::AUTHORIZATION), &form.client_id, &form.client_secret) {
        (Some(value), id, None) => {
            let (basic_id, secret) = basic(value)?;
            let same = id.as_ref().is_none_or(|it| *it == basic_id);
            same.then_some((basic_id, secret))
        }
        (None, Some(id), Some(secret)) => Some((id.clone(), secret.clone())),
        _ => None,
    }
}

fn basic(value: &HeaderValue) -> Option<(String, SecretString)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decoded(id)?.into_owned(), decoded(secret)?.into_owned().into()))
}

fn refuse(status: u16, error: &'static str, error_description: String) -> Response {
    let mut response = json(&TokenError { error, error_description }).into_response();
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    if status == 401 {
        let challenge = HeaderValue::from_static("Basic realm=\"gatewright\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
