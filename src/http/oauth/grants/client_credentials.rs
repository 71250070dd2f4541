//! Client credentials: a token for a machine that acts for itself (RFC 6749 section 4.4).

use super::super::fault::Fault;
use super::super::token::TokenForm;
use super::asked;
use crate::App;
use crate::authn::oauth::Granted;
use crate::authn::{Caller, IssueToken};

pub async fn client_credentials(
    app: &App,
    caller: Caller,
    form: &TokenForm,
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
    if let Err(Fault::Said { error, description }) = asked(form.scope.as_deref()) {
        return Err(refuse(&caller, error, description).await);
    }
    let scopes = app.holdable_scopes(&caller, form.scope.as_deref())?;
    if scopes.is_empty() && form.scope.is_some() {
        let none = "policy lets this client hold none of these scopes".to_owned();
        return Err(refuse(&caller, "invalid_scope", none).await);
    }
    let rated = app.rate(&caller).await?;
    let caller = app.authn.for_audience(app.authn.rated(caller, rated.risk), audience);
    let permit = app.authz.authorize(caller, IssueToken).await;
    let permit = permit.map_err(|error| Fault::denied(error, "unauthorized_client"))?;
    Ok(app.authn.issue(permit, scopes, rated.remember).await?.into())
}
