//! `/oauth/token`: client credentials (RFC 6749 section 4.4), with errors as OAuth clients know them.

use std::sync::Arc;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::{Reply as _, Response, json};

use super::client::{Fields, NotShown, Shown};
use crate::audit::entry::Origin;
use crate::authn::proofs::BadAssertion;
use crate::authn::{Caller, IssueToken, NotHolder};
use crate::http::call::Call;
use crate::http::problem::DPOP_NONCE;
use crate::store::Statement;
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
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`
    client_assertion_type: Option<String>,
    /// A JWT that the client signed with a key it registered (`private_key_jwt`).
    #[schemars(with = "Option<String>")]
    client_assertion: Option<SecretString>,
    /// Space-separated; all that policy lets the client hold when left out.
    scope: Option<String>,
}

impl TokenForm {
    fn client(&self) -> Fields<'_> {
        Fields {
            client_id: self.client_id.as_deref(),
            client_secret: self.client_secret.as_ref(),
            client_assertion_type: self.client_assertion_type.as_deref(),
            client_assertion: self.client_assertion.as_ref(),
        }
    }
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
    let proof = match app.authn.key_proof(call.request()) {
        Ok(it) => it,
        Err(bad) => return not_holder(NotHolder::Proof(bad)),
    };
    let shown = match Shown::read(&call.headers, &form.client()) {
        Ok(it) => it,
        Err(NotShown::Twice) => {
            return Ok(refuse(400, "invalid_request", NotShown::Twice.to_string()));
        }
        Err(fault) => return Ok(refuse(401, "invalid_client", fault.to_string())),
    };
    app.sign_in_limits.admit(call.origin.ip, shown.claimed())?;
    let (caller, used) = match prove(&app, shown, &call.origin).await {
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
    let caller = match app.authn.bind(caller, proof) {
        Ok(it) => it,
        Err(fault) => return not_holder(fault),
    };
    let permit = match app.authz.authorize(caller, IssueToken).await {
        Ok(it) => it,
        Err(Error::Denied(denial)) => {
            return Ok(refuse(400, "unauthorized_client", denial.detail));
        }
        Err(error) => return Err(error),
    };
    let asserted = used.is_some();
    let statements = rated.remember.into_iter().chain(used).collect();
    let token = match app.authn.issue(permit, scopes, statements).await {
        Err(Error::Conflict(_)) if asserted => {
            return Ok(refuse(401, "invalid_client", BadAssertion::Used.to_string()));
        }
        other => other?,
    };
    let answer = TokenAnswer {
        access_token: token.reveal().to_owned(),
        token_type: token.kind(),
        expires_in: token.ttl.as_secs(),
        scope: token.scopes.join(" "),
    };
    Ok(json(&answer).into_response())
}

/// The caller that was shown, and what uses up the proof of it.
async fn prove(
    app: &App,
    shown: Shown<'_>,
    origin: &Arc<Origin>,
) -> Result<(Caller, Option<Statement>)> {
    match shown {
        Shown::Secret { id, secret } => {
            let caller = app.authn.prove_client(&id, &secret, origin.clone()).await?;
            Ok((caller, None))
        }
        Shown::Assertion(assertion) => {
            let (caller, used) = app.authn.prove_client_by_key(assertion, origin.clone()).await?;
            Ok((caller, Some(used)))
        }
    }
}

/// RFC 9449 sections 5 and 8.
fn not_holder(fault: NotHolder) -> Result<Response> {
    let nonce = fault.nonce().map(HeaderValue::from_str);
    let (code, description) = (fault.code(), fault.to_string());
    if let unavailable @ Error::Unavailable { .. } = fault.into() {
        return Err(unavailable);
    }
    let mut response = refuse(400, code, description);
    if let Some(Ok(nonce)) = nonce {
        response.headers_mut().insert(DPOP_NONCE, nonce);
    }
    Ok(response)
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
