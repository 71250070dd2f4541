//! `/oauth/passkey`: where a browser enrols a passkey for somebody who began it elsewhere, for
//! example in a terminal. Whoever has the ceremony's token goes on in the session that began it.

use std::sync::Arc;

use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::{Reply as _, Response};
use webauthn_rs::prelude::RegisterPublicKeyCredential;

use super::super::call::Call;
use super::pages::passkey::{SCRIPT, enrolled, enrolment};
use super::pages::{Page, notice};
use crate::{App, Error, Result};

const SCRIPT_FRESH: HeaderValue = HeaderValue::from_static("public, max-age=3600");

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentForm {
    #[schemars(with = "String")]
    ceremony: SecretString,
    /// What `navigator.credentials.create` gave, in JSON.
    credential: String,
}

/// Asks the browser to make a passkey.
pub async fn page(app: Arc<App>, call: Call) -> Result<Response> {
    shown(asked(&app, &call).await, &call)
}

async fn asked(app: &App, call: &Call) -> Result<Page> {
    let mut query = call.query();
    let ceremony = SecretString::from(query.text("ceremony").unwrap_or_default());
    query.end()?;
    let options = app.passkey_options(&ceremony).await?;
    Ok(enrolment(ceremony.expose_secret(), &options))
}

/// Enrols the passkey that the browser has made.
pub async fn enrol(app: Arc<App>, call: Call) -> Result<Response> {
    shown(made(&app, &call).await, &call)
}

async fn made(app: &App, call: &Call) -> Result<Page> {
    let EnrolmentForm { ceremony, credential } = call.form()?;
    let credential: RegisterPublicKeyCredential = serde_json::from_str(&credential)
        .map_err(|_| Error::field("/credential", "is not what a browser makes of a passkey"))?;
    let origin = call.origin.clone();
    let new = app.finish_passkey_in_browser(&ceremony, &credential, origin).await?;
    Ok(enrolled(&new.recovery_codes))
}

/// People get a page, whatever happens; only our own faults are told as everywhere.
fn shown(page: Result<Page>, call: &Call) -> Result<Response> {
    let page = match page {
        Ok(page) => page,
        Err(error @ Error::Internal(_)) => return Err(error),
        Err(error) => {
            let status =
                StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            notice(status, "The passkey was not added", &sentence(&error), &call.origin.id)
        }
    };
    Ok(page.respond())
}

fn sentence(error: &Error) -> String {
    match error {
        Error::Invalid(faults) => {
            let told = faults
                .iter()
                .map(|it| format!("{} {}", it.pointer.trim_start_matches(['/', '?']), it.detail));
            told.collect::<Vec<_>>().join("; ")
        }
        Error::Denied(denial) => denial.detail.clone(),
        other => other.to_string(),
    }
}

/// The script of every page that knows passkeys.
pub async fn script(_: Arc<App>, _: Call) -> Result<Response> {
    let mut response = SCRIPT.into_response();
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, SCRIPT_FRESH);
    Ok(response)
}
