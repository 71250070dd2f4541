//! `/api/v1/auth/factors`: one's own second factors.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use super::list::{created, no_content, time};
use crate::authn::Caller;
use crate::authn::factors::{
    APP, Factor, FactorKind, FactorState, ListFactors, RemoveFactor, RenewRecovery,
};
use crate::authz::Permit;
use crate::enrolment::NewFactor;
use crate::{App, Error, FieldFault, Result};

const PATH: &str = "/api/v1/auth/factors";
const NAME_CHARS_MAX: usize = 64;

#[derive(Serialize, JsonSchema)]
pub struct FactorsView {
    items: Vec<FactorView>,
    /// How many recovery codes are unused.
    recovery_codes_left: i64,
}

#[derive(Serialize, JsonSchema)]
pub struct FactorView {
    id: Uuid,
    kind: FactorKind,
    name: String,
    state: FactorState,
    created_at: Timestamp,
    used_at: Option<Timestamp>,
}

/// The secret, three times; never to be seen again.
#[derive(Serialize, JsonSchema)]
pub struct TotpView {
    id: Uuid,
    /// Base32, to be typed into an authenticator app.
    secret: String,
    /// `otpauth://totp/…`
    provisioning_uri: String,
    /// The same as a QR code.
    qr_svg: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpBody {
    /// What its owner calls it: 1 to 64 printable characters; `authenticator app` when left out.
    name: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmBody {
    /// What the app shows now.
    #[schemars(with = "String")]
    otp: SecretString,
}

/// A factor that is active now.
#[derive(Serialize, JsonSchema)]
pub struct NewFactorView {
    /// Each is good once, when no factor is at hand. Given with the first factor; never shown again.
    recovery_codes: Vec<String>,
    access_token: String,
    access_token_expires_at: Timestamp,
}

#[derive(Serialize, JsonSchema)]
pub struct RecoveryCodes {
    /// Each is good once. Never shown again; those of before are worth nothing any more.
    recovery_codes: Vec<String>,
}

pub fn parse_list(_: &Call) -> Result<ListFactors> {
    Ok(ListFactors)
}

pub async fn list(app: Arc<App>, permit: Permit<ListFactors>) -> Result<Response> {
    let enrolled = app.factors.of_principal(permit.caller().principal()).await?;
    let answer = FactorsView {
        items: enrolled.factors.iter().map(view).collect(),
        recovery_codes_left: enrolled.recovery_left,
    };
    Ok(json(&answer).into_response())
}

pub async fn begin_totp(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let TotpBody { name } = call.json()?;
    let name = name.unwrap_or_else(|| APP.to_owned());
    Error::check([label_fault(&name)])?;
    let (id, given) = app.begin_totp(caller, name).await?;
    let answer = TotpView {
        id,
        secret: given.secret.expose_secret().to_owned(),
        provisioning_uri: given.uri.expose_secret().to_owned(),
        qr_svg: given.qr_svg.expose_secret().to_owned(),
    };
    Ok(created(json(&answer).into_response(), PATH))
}

pub async fn confirm_totp(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let ConfirmBody { otp } = call.json()?;
    let new = app.confirm_totp(caller, call.id("factor")?, &otp).await?;
    Ok(active(&new))
}

pub fn parse_remove(call: &Call) -> Result<RemoveFactor> {
    call.empty()?;
    Ok(RemoveFactor(call.id("factor")?))
}

pub async fn remove(app: Arc<App>, permit: Permit<RemoveFactor>) -> Result<Response> {
    app.factors.remove(permit).await?;
    Ok(no_content())
}

pub fn parse_renew(call: &Call) -> Result<RenewRecovery> {
    call.empty()?;
    Ok(RenewRecovery)
}

pub async fn renew_recovery(app: Arc<App>, permit: Permit<RenewRecovery>) -> Result<Response> {
    let codes = app.factors.renew_recovery(permit).await?;
    Ok(json(&RecoveryCodes { recovery_codes: revealed(&codes) }).into_response())
}

/// What whoever has just enrolled a factor is given.
pub fn active(new: &NewFactor) -> Response {
    let answer = NewFactorView {
        recovery_codes: revealed(&new.recovery_codes),
        access_token: new.token.reveal().to_owned(),
        access_token_expires_at: new.token.expires_at,
    };
    json(&answer).into_response()
}

/// What is wrong with what somebody calls a factor.
pub fn label_fault(name: &str) -> Option<FieldFault> {
    let fits = !name.trim().is_empty()
        && name.chars().count() <= NAME_CHARS_MAX
        && !name.contains(char::is_control);
    (!fits).then(|| FieldFault {
        pointer: "/name".into(),
        detail: format!("must be 1 to {NAME_CHARS_MAX} printable characters"),
    })
}

fn revealed(codes: &[SecretString]) -> Vec<String> {
    codes.iter().map(|it| it.expose_secret().to_owned()).collect()
}

fn view(it: &Factor) -> FactorView {
    FactorView {
        id: it.id,
        kind: it.kind,
        name: it.name.clone(),
        state: it.state,
        created_at: time(it.created_at),
        used_at: it.used_at.map(time),
    }
}
