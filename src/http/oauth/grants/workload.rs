//! Workload tokens: a token of ours for one of a platform that is trusted (RFC 8693).

use secrecy::ExposeSecret as _;

use super::super::super::call::Call;
use super::super::fault::Fault;
use super::super::token::Brought;
use super::client_credentials;
use crate::authn::oauth::{ACCESS_TOKEN, Granted};
use crate::{App, Error};

pub async fn workload(app: &App, call: &Call, brought: Brought<'_>) -> Result<Granted, Fault> {
    let invalid = |how: String| Fault::new("invalid_request", how);
    let form = brought.form;
    if form.requested_token_type.as_deref().is_some_and(|it| it != ACCESS_TOKEN) {
        return Err(invalid(format!("`requested_token_type` can only be `{ACCESS_TOKEN}`")));
    }
    let token = form.subject_token.as_ref();
    let token = token.ok_or_else(|| invalid("`subject_token` is missing".into()))?;
    app.sign_in_limits.admit_address(call.origin.ip)?;
    // Whoever has the token is the workload: it says so itself, and no client says it besides.
    let caller = app.prove_workload(token.expose_secret(), call.origin.clone()).await;
    let caller = caller.map_err(|error| match error {
        Error::Unauthenticated(it) => invalid(it.to_string()),
        other => other.into(),
    })?;
    Ok(client_credentials(app, caller, brought).await?.exchanged(ACCESS_TOKEN))
}
