//! `/oauth/passkey`: where a browser enrols a passkey, for somebody who is signed in with it, or who
//! began in a terminal. Whoever has the ceremony's token goes on in the session that began it.

use std::sync::Arc;

use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use warp::http::{HeaderValue, header};
use warp::reply::{Reply as _, Response};
use webauthn_rs::prelude::RegisterPublicKeyCredential;

use super::super::call::Call;
use super::super::factors::label_fault;
use super::ask::Onward;
use super::browser::{Browser, Form};
use super::pages::failure;
use super::pages::passkey::{PATH, SCRIPT, enrolled, enrolment};
use crate::{App, Error, Result, Unproven};

const SCRIPT_FRESH: HeaderValue = HeaderValue::from_static("public, max-age=3600");

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentForm {
    #[schemars(with = "String")]
    ceremony: SecretString,
    /// What `navigator.credentials.create` gave, in JSON.
    credential: String,
}

/// Begins, for whoever is signed in with the browser.
pub async fn begin(app: Arc<App>, call: Call) -> Result<Response> {
    let begun = begun(&app, &call).await;
    Ok(begun.unwrap_or_else(|error| failure(error, &call.origin.id)))
}

async fn begun(app: &App, call: &Call) -> Result<Response> {
    let form = Form::read(call)?;
    let browser = Browser::of(app, &call.headers)?;
    browser.expect(&form, "passkey", "")?;
    let caller = browser.caller(&app.authn, call).await?;
    let caller = caller.ok_or(Error::Unauthenticated(Unproven::BadToken))?;
    let name = form.one("name");
    Error::check([label_fault(name)])?;
    let begun = app.begin_passkey(caller, name.to_owned()).await?;
    Ok(Onward::Page.to(&format!("{PATH}?ceremony={}", begun.ceremony.expose_secret())))
}

/// Asks the browser to make a passkey.
pub async fn page(app: Arc<App>, call: Call) -> Result<Response> {
    let asked = asked(&app, &call).await;
    Ok(asked.unwrap_or_else(|error| failure(error, &call.origin.id)))
}

async fn asked(app: &App, call: &Call) -> Result<Response> {
    let mut query = call.query();
    let ceremony = SecretString::from(query.text("ceremony").unwrap_or_default());
    query.end()?;
    let options = app.passkey_options(&ceremony).await?;
    Ok(enrolment(ceremony.expose_secret(), &options).respond())
}

/// Enrols the passkey that the browser has made.
pub async fn enrol(app: Arc<App>, call: Call) -> Result<Response> {
    let made = made(&app, &call).await;
    Ok(made.unwrap_or_else(|error| failure(error, &call.origin.id)))
}

async fn made(app: &App, call: &Call) -> Result<Response> {
    let EnrolmentForm { ceremony, credential } = call.form()?;
    let credential: RegisterPublicKeyCredential = serde_json::from_str(&credential)
        .map_err(|_| Error::field("/credential", "is not what a browser makes of a passkey"))?;
    let origin = call.origin.clone();
    let new = app.finish_passkey_in_browser(&ceremony, &credential, origin).await?;
    Ok(enrolled(&new.recovery_codes).respond())
}

/// The script of every page that knows passkeys.
pub async fn script(_: Arc<App>, _: Call) -> Result<Response> {
    let mut response = SCRIPT.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, SCRIPT_FRESH),
    ] {
        headers.insert(name, value);
    }
    Ok(response)
}
