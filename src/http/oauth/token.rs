//! `/oauth/token`: what a client brings, and the token that it gets for it.

use std::sync::Arc;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use warp::reply::{Reply as _, Response, json};

use super::super::call::Call;
use super::client::Fields;
use super::client_auth::{Asker, AskerKind, recognise};
use super::fault::Fault;
use super::{grants, no_store};
use crate::authn::NotHolder;
use crate::authn::oauth::{Granted, JWT};
use crate::authn::proofs::KeyProof;
use crate::authz::facts::Risk;
use crate::store::Statement;
use crate::{App, Result};

/// The grants there are; see [`grant`].
pub const GRANTS: [&str; 4] =
    ["authorization_code", "refresh_token", "client_credentials", grants::TOKEN_EXCHANGE];

#[derive(Deserialize, JsonSchema)]
pub struct TokenForm {
    /// `authorization_code`, `refresh_token`, `client_credentials` or
    /// `urn:ietf:params:oauth:grant-type:token-exchange`.
    pub grant_type: String,
    pub client_id: Option<String>,
    #[schemars(with = "Option<String>")]
    pub client_secret: Option<SecretString>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`
    pub client_assertion_type: Option<String>,
    /// A JWT that the client signed with a key it registered (`private_key_jwt`).
    #[schemars(with = "Option<String>")]
    pub client_assertion: Option<SecretString>,
    /// Space-separated; all that policy lets the client hold when left out.
    pub scope: Option<String>,
    /// Whom the token is for (RFC 8707); this service when left out.
    pub resource: Option<String>,
    #[schemars(with = "Option<String>")]
    pub code: Option<SecretString>,
    /// The secret behind the `code_challenge` (RFC 7636).
    #[schemars(with = "Option<String>")]
    pub code_verifier: Option<SecretString>,
    pub redirect_uri: Option<String>,
    #[schemars(with = "Option<String>")]
    pub refresh_token: Option<SecretString>,
    /// For an exchange (RFC 8693): in whose name the client is to act, which a user's access token
    /// says, that of an agent which acts for a user already, or the id of a mandate; or a workload's
    /// token from an issuer that is trusted.
    #[schemars(with = "Option<String>")]
    pub subject_token: Option<SecretString>,
    /// `urn:ietf:params:oauth:token-type:access_token`,
    /// `urn:gatewright:params:oauth:token-type:mandate`, or for a workload's token
    /// `urn:ietf:params:oauth:token-type:jwt`.
    pub subject_token_type: Option<String>,
    /// `urn:ietf:params:oauth:token-type:access_token`, which is what there is.
    pub requested_token_type: Option<String>,
    /// Not taken: the client itself is the actor.
    #[schemars(with = "Option<String>")]
    pub actor_token: Option<SecretString>,
    pub actor_token_type: Option<String>,
}

impl TokenForm {
    /// Whether what proves who asks is itself the token that is exchanged.
    fn is_of_workload(&self) -> bool {
        self.grant_type == grants::TOKEN_EXCHANGE && self.subject_token_type.as_deref() == Some(JWT)
    }

    fn client(&self) -> Fields<'_> {
        Fields {
            client_id: self.client_id.as_deref(),
            client_secret: self.client_secret.as_ref(),
            client_assertion_type: self.client_assertion_type.as_deref(),
            client_assertion: self.client_assertion.as_ref(),
        }
    }
}

/// What a client that proved itself brings to a grant.
pub struct Brought<'a> {
    pub form: &'a TokenForm,
    /// What proves the key that the tokens are to be bound to.
    pub key: Option<KeyProof>,
    /// What uses up the client's proof.
    pub used: Option<Statement>,
}

#[derive(Serialize, JsonSchema)]
pub struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    /// With a token that was exchanged: what it was exchanged for.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    /// For clients that may refresh: the next one, good for one use.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    scope: String,
    /// How risky the request was rated.
    risk: Risk,
}

/// Refusals that OAuth has a word for are said in OAuth's words; the rest is a problem document.
pub async fn token(app: Arc<App>, call: Call) -> Result<Response> {
    match grant(&app, &call).await {
        Ok(granted) => Ok(answer(&granted)),
        Err(fault) => fault.respond(),
    }
}

async fn grant(app: &App, call: &Call) -> Result<Granted, Fault> {
    let form: TokenForm = call.form()?;
    if !GRANTS.contains(&form.grant_type.as_str()) {
        let known = GRANTS.join("`, `");
        let how = format!("the grant type must be one of `{known}`");
        return Err(Fault::new("unsupported_grant_type", how));
    }
    let key = app.authn.key_proof(call.request()).map_err(NotHolder::Proof)?;
    if form.is_of_workload() {
        return grants::workload(app, call, Brought { form: &form, key, used: None }).await;
    }
    let Asker { kind, used } = recognise(app, call, &form.client()).await?;
    let brought = Brought { form: &form, key, used };
    match (form.grant_type.as_str(), kind) {
        ("client_credentials", AskerKind::Agent(caller)) => {
            grants::client_credentials(app, *caller, brought).await
        }
        (grants::TOKEN_EXCHANGE, AskerKind::Agent(caller)) => {
            grants::token_exchange(app, *caller, brought).await
        }
        ("authorization_code", AskerKind::Client(client)) => {
            grants::authorization_code(app, call, &client, brought).await
        }
        ("refresh_token", AskerKind::Client(client)) => {
            grants::refresh_token(app, call, &client, brought).await
        }
        _ => Err(Fault::new("unauthorized_client", "this client may not use this grant")),
    }
}

fn answer(granted: &Granted) -> Response {
    let access = &granted.access;
    let answer = TokenAnswer {
        access_token: access.reveal().to_owned(),
        token_type: access.kind(),
        expires_in: access.ttl.as_secs(),
        issued_token_type: granted.issued_token_type,
        refresh_token: granted.reveal_refresh().map(str::to_owned),
        scope: access.scopes.join(" "),
        risk: access.risk,
    };
    no_store(json(&answer).into_response())
}
