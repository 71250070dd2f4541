//! Client credentials: a token for a machine that acts for itself (RFC 6749 section 4.4).

use super::super::fault::Fault;
use super::super::token::Brought;
use super::asked;
use crate::authn::oauth::Granted;
use crate::authn::proofs::BadAssertion;
use crate::authn::{Caller, IssueToken};
use crate::{App, Error};

pub async fn client_credentials(
    app: &App,
    caller: Caller,
    Brought { form, key, used }: Brought<'_>,
) -> Result<Granted, Fault> {
    let refuse = async |caller: &Caller, error, why: String| match app
        .authz
        .note_refusal(caller, "auth.token", error)
        .await
    {
        Ok(()) => Fault::new(error, why),
        Err(error) => error.into(),
    };
    let audience = match app.oauth.resources.audience(form.resource.as_deref()) {
        Ok(it) => it,
        Err(why) => return Err(refuse(&caller, "invalid_target", why.to_string()).await),
    };
    if let Err(Fault::Said { error, description, .. }) = asked(form.scope.as_deref()) {
        return Err(refuse(&caller, error, description).await);
    }
    let scopes = app.holdable_scopes(&caller, form.scope.as_deref())?;
    if scopes.is_empty() && form.scope.is_some() {
        let none = "policy lets this client hold none of these scopes".to_owned();
        return Err(refuse(&caller, "invalid_scope", none).await);
    }
    let rated = app.rate(&caller).await?;
    let caller = app.authn.for_audience(app.authn.rated(caller, rated.risk), audience);
    let caller = app.authn.bind(caller, key)?;
    let permit = app.authz.authorize(caller, IssueToken).await;
    let permit = permit.map_err(|error| Fault::denied(error, "unauthorized_client"))?;
    let asserted = used.is_some();
    let statements = rated.remember.into_iter().chain(used).collect();
    match app.authn.issue(permit, scopes, statements).await {
        Ok(token) => Ok(token.into()),
        Err(Error::Conflict(_)) if asserted => {
            Err(Fault::new("invalid_client", BadAssertion::Used.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}
