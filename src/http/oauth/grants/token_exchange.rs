//! Token exchange: a token for an agent that acts in a user's name (RFC 8693).

use super::super::fault::Fault;
use super::super::token::{Brought, TokenForm};
use super::asked;
use crate::authn::oauth::{ACCESS_TOKEN, Granted};
use crate::authn::proofs::BadAssertion;
use crate::authn::risk::Vouched;
use crate::authn::{ActFor, Caller, SubjectToken};
use crate::{App, Error};

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const MANDATE: &str = "urn:gatewright:params:oauth:token-type:mandate";

pub async fn token_exchange(
    app: &App,
    agent: Caller,
    Brought { form, key, used }: Brought<'_>,
) -> Result<Granted, Fault> {
    let (agent, rated) = app.rate(agent).await?;
    let refuse = async |error, why: String| match app
        .authz
        .note_refusal(&agent, "auth.exchange", error)
        .await
    {
        Ok(()) => Fault::new(error, why),
        Err(error) => error.into(),
    };
    let audience = match app.oauth.resources.audience(form.resource.as_deref()) {
        Ok(it) => it,
        Err(why) => return Err(refuse("invalid_target", why.to_string()).await),
    };
    let subject = match app.authn.subject(&agent, &shown(form)?) {
        Ok(it) => it,
        Err(why) => return Err(refuse("invalid_request", why.to_string()).await),
    };
    let wanted = asked(form.scope.as_deref())?;
    let scopes = app.authz.holdable(&agent, &subject.bound(wanted.as_ref()))?;
    if scopes.is_empty() && wanted.is_some() && subject.has_mandate() {
        let none = "neither mandate nor policy lets this client hold any of these scopes";
        return Err(refuse("invalid_scope", none.to_owned()).await);
    }
    let agent = app.authn.bind(app.authn.for_audience(agent, audience), key)?;
    let vouched = Vouched::by(&agent.session().proof);
    let acting = app.authn.acting(agent, &subject, &scopes);
    let permit = app.admit(acting, ActFor::new(subject), &rated.rating).await;
    // Whatever policy has against the subject token is said like this (RFC 8693 section 2.2.2).
    let permit = permit.map_err(|error| Fault::denied(error, "invalid_request"))?;
    let asserted = used.is_some();
    let statements = rated.remember(vouched).into_iter().chain(used).collect();
    let record = permit.warrant().record().clone();
    match app.authz.settled(&record, app.authn.exchange(permit, statements)).await {
        Ok(token) => Ok(Granted::from(token).exchanged(ACCESS_TOKEN)),
        Err(Error::Conflict(_)) if asserted => {
            Err(Fault::new("invalid_client", BadAssertion::Used.to_string()))
        }
        Err(Error::Conflict(why)) => Err(Fault::new("invalid_request", why)),
        Err(error) => Err(error.into()),
    }
}

/// What the form shows. The client itself is the actor: it names no other.
fn shown(form: &TokenForm) -> Result<SubjectToken, Fault> {
    let fault = |why: String| Err(Fault::new("invalid_request", why));
    if form.actor_token.is_some() || form.actor_token_type.is_some() {
        return fault("the client itself acts: send no actor_token".to_owned());
    }
    if form.requested_token_type.as_deref().is_some_and(|it| it != ACCESS_TOKEN) {
        return fault(format!("only tokens of the type `{ACCESS_TOKEN}` are given"));
    }
    let Some(token) = &form.subject_token else {
        return fault("`subject_token` is missing".to_owned());
    };
    match form.subject_token_type.as_deref() {
        Some(ACCESS_TOKEN) => Ok(SubjectToken::AccessToken(token.clone())),
        Some(MANDATE) => Ok(SubjectToken::Mandate(token.clone())),
        _ => fault(format!("`subject_token_type` must be `{ACCESS_TOKEN}` or `{MANDATE}`")),
    }
}
