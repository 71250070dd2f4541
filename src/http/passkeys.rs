//! Passkeys over the API: the two halves of each ceremony.

use std::sync::Arc;

use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use warp::reply::{Reply as _, Response, json};
use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential};

use super::call::Call;
use super::factors::{active, label_fault};
use super::oauth::pages::passkey::PATH as PAGE;
use super::session::open;
use crate::authn::{Caller, Elevate};
use crate::second_factor::{BegunProof, Shown, SignedProof};
use crate::{App, Error, Result};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyBody {
    /// What its owner calls it: 1 to 64 printable characters.
    name: String,
}

/// The first half of a ceremony.
#[derive(Serialize, JsonSchema)]
pub struct CeremonyView {
    /// To be sent back with the second half; good once, for 5 minutes.
    ceremony: String,
    /// For `navigator.credentials.create` or `.get` (W3C Web Authentication), in JSON.
    options: Value,
    /// A page that does the rest, for those who are not in a browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MadeBody {
    #[schemars(with = "String")]
    ceremony: SecretString,
    /// What `navigator.credentials.create` gave, in JSON.
    #[schemars(with = "Value")]
    credential: RegisterPublicKeyCredential,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedBody {
    #[schemars(with = "String")]
    ceremony: SecretString,
    /// What `navigator.credentials.get` gave, in JSON.
    #[schemars(with = "Value")]
    credential: PublicKeyCredential,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldBody {
    /// What the answer `mfa_required` gave.
    #[schemars(with = "String")]
    mfa_token: SecretString,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldSignedBody {
    /// What the answer `mfa_required` gave.
    #[schemars(with = "String")]
    mfa_token: SecretString,
    #[schemars(with = "String")]
    ceremony: SecretString,
    /// What `navigator.credentials.get` gave, in JSON.
    #[schemars(with = "Value")]
    credential: PublicKeyCredential,
}

impl SignedBody {
    pub fn shown(self) -> Shown {
        let SignedBody { ceremony, credential } = self;
        Shown::Passkey(Box::new(SignedProof { ceremony, credential }))
    }
}

pub async fn begin_enrolment(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let PasskeyBody { name } = call.json()?;
    Error::check([label_fault(&name)])?;
    let begun = app.begin_passkey(caller, name).await?;
    let ceremony = begun.ceremony.expose_secret().to_owned();
    let page = format!("{}{PAGE}?ceremony={ceremony}", app.factors.public_url());
    let answer = CeremonyView { ceremony, options: begun.options, page: Some(page) };
    Ok(json(&answer).into_response())
}

pub async fn finish_enrolment(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let MadeBody { ceremony, credential } = call.json()?;
    Ok(active(&app.finish_passkey(caller, &ceremony, &credential).await?))
}

/// For a sign-in that was answered with `mfa_required`.
pub async fn begin_mfa(app: Arc<App>, call: Call) -> Result<Response> {
    let HeldBody { mfa_token } = call.json()?;
    Ok(begun(app.begin_second_factor(&mfa_token, call.origin.clone()).await?))
}

pub async fn finish_mfa(app: Arc<App>, call: Call) -> Result<Response> {
    let HeldSignedBody { mfa_token, ceremony, credential } = call.json()?;
    let shown = SignedBody { ceremony, credential }.shown();
    let opening = app.second_factor(&mfa_token, &shown, call.origin.clone()).await?;
    open(&app, opening).await
}

/// For an elevation, which takes the second half together with the password.
pub async fn begin_elevation(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    call.empty()?;
    let permit = app.authz.authorize(caller, Elevate).await?;
    let (warrant, proof) = (permit.warrant(), app.begin_proof(permit.warrant(), permit.caller()));
    Ok(begun(app.authz.settled(warrant.record(), proof).await?))
}

fn begun(it: BegunProof) -> Response {
    let ceremony = it.ceremony.expose_secret().to_owned();
    json(&CeremonyView { ceremony, options: it.options, page: None }).into_response()
}
