//! Refresh tokens of clients: each works once, and a second use ends what came of it (OAuth 2.1
//! section 4.3).

use std::collections::BTreeSet;

use super::super::super::call::Call;
use super::super::fault::Fault;
use super::super::token::Brought;
use super::{asked, same_resource};
use crate::App;
use crate::authn::Holder;
use crate::authn::oauth::{Client, Granted};

pub async fn refresh_token(
    app: &App,
    call: &Call,
    client: &Client,
    Brought { form, key, used }: Brought<'_>,
) -> Result<Granted, Fault> {
    let token = form.refresh_token.as_ref();
    let token = token.ok_or_else(|| Fault::new("invalid_request", "`refresh_token` is missing"))?;
    let known = app.authn.recall_refresh(token).await?;
    // Every refusal is written down. Whoever only guesses must not fill the disk with them.
    if !known.is_good() {
        app.sign_in_limits.admit_address(call.origin.ip)?;
    }
    let holder = Holder { client: Some(&client.id), proof: key };
    let (caller, action) = app.authn.prove_refresh(known, holder, call.origin.clone()).await?;
    let caller = app.authn.settled(caller);
    same_resource(app, form.resource.as_deref(), caller.session().proof.resource.as_deref())?;
    let session: Vec<String> = caller.session().scopes.iter().cloned().collect();
    // Asked anew: who lost a role since the sign-in loses its scopes now.
    let kept = app.authz.holdable(&caller, &session)?;
    let scopes = narrowed(&kept, &caller.session().scopes, form.scope.as_deref())?;
    let permit = app.authz.authorize(caller, action).await;
    let permit = permit.map_err(|error| Fault::denied(error, "invalid_grant"))?;
    let record = permit.warrant().record().clone();
    let refreshed = app.authn.refresh(permit, &kept, scopes, Vec::from_iter(used));
    Ok(app.authz.settled(&record, refreshed).await?.into())
}

/// What the client asks for of what it has; it cannot ask for more.
fn narrowed(
    kept: &[String],
    agreed: &BTreeSet<String>,
    scope: Option<&str>,
) -> Result<Vec<String>, Fault> {
    let Some(asked) = asked(scope)? else { return Ok(kept.to_vec()) };
    if !asked.is_subset(agreed) {
        let more = "a refreshed token holds no scope that was not agreed to";
        return Err(Fault::new("invalid_scope", more));
    }
    Ok(kept.iter().filter(|it| asked.contains(*it)).cloned().collect())
}
