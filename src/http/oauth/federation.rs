//! `/oauth/federation`: a person signs in with a browser by the word of a provider.

use std::sync::Arc;

use warp::reply::Response;

use super::super::call::Call;
use super::ask::{Ask, Onward, Stop};
use super::browser::Browser;
use super::sign_in;
use crate::authn::federation::{Provider, Returned};
use crate::authn::oauth::Parameters;
use crate::{App, Error, Result};

/// What the way to a provider begins with.
pub const START: &[(&str, &str)] =
    &[("request", "What the sign-in is for: the query of a client's request, as it came.")];

/// What a provider answers with.
pub const CALLBACK: &[(&str, &str)] = &[
    ("code", "What the provider gives an identity token for."),
    ("state", "What the way there began with."),
    ("iss", "The provider (RFC 9207)."),
    ("error", "Why there is no code."),
];

pub async fn start(app: Arc<App>, call: Call) -> Result<Response> {
    let answer = leave(&app, &call).await;
    Ok(answer.unwrap_or_else(|it| it.respond(&app, Onward::Redirect, &call.origin.id)))
}

pub async fn callback(app: Arc<App>, call: Call) -> Result<Response> {
    let answer = come_back(&app, &call).await;
    Ok(answer.unwrap_or_else(|it| it.respond(&app, Onward::Page, &call.origin.id)))
}

/// Where the sign-in with each provider begins, by what people know it by.
pub fn entrances(app: &App, query: &str) -> Vec<(String, String)> {
    let entrance = |it: &Provider| {
        let request = url::form_urlencoded::byte_serialize(query.as_bytes()).collect::<String>();
        let path = format!("/oauth/federation/{}/start?request={request}", it.name());
        (it.title().to_owned(), path)
    };
    app.federation.providers().iter().map(entrance).collect()
}

/// What the sign-in is for is read before anybody leaves, so that nobody signs in for nothing; and
/// again when they are back. It is never an address: there is none to be sent astray to.
async fn leave(app: &App, call: &Call) -> Result<Response, Stop> {
    let provider = provider(app, call)?;
    app.sign_in_limits.admit_address(call.origin.ip)?;
    let query = one(call, "request")?.unwrap_or_default();
    Ask::carried(app, call, query).await?;
    let browser = Browser::of(app, &call.headers)?;
    let (authn, secret) = (&app.authn, browser.secret());
    let location =
        authn.begin_elsewhere(&app.federation, provider, secret, query, &call.origin).await?;
    Ok(browser.keep(app, Onward::Redirect.to(&location))?)
}

async fn come_back(app: &App, call: &Call) -> Result<Response, Stop> {
    let provider = provider(app, call)?;
    app.sign_in_limits.admit_address(call.origin.ip)?;
    let returned = Returned {
        state: one(call, "state")?,
        code: one(call, "code")?,
        error: one(call, "error")?,
        issuer: one(call, "iss")?,
    };
    let browser = Browser::of(app, &call.headers)?;
    let (authn, secret, origin) = (&app.authn, browser.secret(), &call.origin);
    let found = authn.finish_elsewhere(&app.federation, provider, secret, returned, origin).await?;
    let ask = Ask::carried(app, call, &found.request).await?;
    let caller = app.prove_person(provider, &found.person, call.origin.clone()).await?;
    sign_in::go_on(app, call, &browser, ask.as_ref(), caller).await
}

fn provider<'a>(app: &'a App, call: &Call) -> Result<&'a Provider> {
    app.federation.provider(call.param("issuer")?).ok_or(Error::NotFound)
}

fn one<'a>(call: &'a Call, name: &'static str) -> Result<Option<&'a str>> {
    Parameters::new(&call.query).one(name).map_err(|it| Error::Malformed(it.to_string()))
}
