//! Client credentials: a token for a machine that acts for itself (RFC 6749 section 4.4).

use super::super::fault::Fault;
use super::super::token::Brought;
use super::asked;
use crate::authn::oauth::Granted;
use crate::authn::proofs::BadAssertion;
use crate::authn::risk::{Rating, Vouched};
use crate::authn::{Caller, IssueToken};
use crate::authz::facts::Particulars;
use crate::authz::{Action as _, TheRegistry};
use crate::{App, Error, Result};

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
    let (caller, rated) = app.rate(caller).await?;
    let scopes = app.holdable_scopes(&caller, form.scope.as_deref())?;
    // Who may not come in at all is told that, and not that its scopes are wrong.
    if scopes.is_empty() && form.scope.is_some() && may_come_in(app, &caller)? {
        let none = "policy lets this client hold none of these scopes".to_owned();
        return Err(refuse(&caller, "invalid_scope", none).await);
    }
    let caller = app.authn.bind(app.authn.for_audience(caller, audience), key)?;
    let vouched = Vouched::by(&caller.session().proof);
    let permit = app.admit(caller, IssueToken, &rated.rating).await;
    let permit = permit.map_err(|error| denied(error, &rated.rating))?;
    let asserted = used.is_some();
    let statements = rated.remember(vouched).into_iter().chain(used).collect();
    let record = permit.warrant().record().clone();
    match app.authz.settled(&record, app.authn.issue(permit, scopes, statements)).await {
        Ok(token) => Ok(token.into()),
        Err(Error::Conflict(_)) if asserted => {
            Err(Fault::new("invalid_client", BadAssertion::Used.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

fn may_come_in(app: &App, caller: &Caller) -> Result<bool> {
    app.authz.would_allow(caller, IssueToken::NAME, &TheRegistry, &Particulars::Base)
}

/// What policy says, and how the machine was rated: its operator can do something about that.
fn denied(error: Error, rating: &Rating) -> Fault {
    match error {
        Error::Denied(denial) => {
            Fault::new("unauthorized_client", format!("{} ({rating})", denial.detail))
        }
        other => other.into(),
    }
}
