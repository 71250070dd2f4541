//! Authorization codes: a token for what a person agreed to (OAuth 2.1 section 4.1.3).

use super::super::super::call::Call;
use super::super::fault::Fault;
use super::super::token::Brought;
use super::same_resource;
use crate::App;
use crate::authn::oauth::{Client, Granted, Redemption};

pub async fn authorization_code(
    app: &App,
    call: &Call,
    client: &Client,
    Brought { form, key, used }: Brought<'_>,
) -> Result<Granted, Fault> {
    let missing = |name: &str| Fault::new("invalid_request", format!("`{name}` is missing"));
    let code = form.code.as_ref().ok_or_else(|| missing("code"))?;
    // There is no code without a challenge, so there is none without a verifier.
    let verifier = form.code_verifier.as_ref().ok_or_else(|| missing("code_verifier"))?;
    let found = app.authn.recall_code(code).await?;
    // Every refusal is written down. Whoever only guesses must not fill the disk with them.
    if !found.as_ref().is_some_and(|it| it.is_good_for(&client.id)) {
        app.sign_in_limits.admit_address(call.origin.ip)?;
    }
    let redirect_uri = form.redirect_uri.as_deref();
    let sent = Redemption { verifier, redirect_uri, key: key.as_ref() };
    let (caller, action) = app.authn.prove_code(found, client, sent, call.origin.clone()).await?;
    let caller = app.authn.bind(caller, key)?;
    let agreed = caller.session().proof.resource.as_deref();
    same_resource(app, form.resource.as_deref(), agreed)?;
    // Asked anew: who lost a role since the sign-in loses its scopes now.
    let scopes = app.authz.holdable(&caller, action.scopes())?;
    let permit = app.authz.authorize(caller, action).await;
    let permit = permit.map_err(|error| Fault::denied(error, "invalid_grant"))?;
    let record = permit.warrant().record().clone();
    let redeemed = app.authn.redeem(permit, scopes, Vec::from_iter(used));
    Ok(app.authz.settled(&record, redeemed).await?)
}
