//! `/oauth/consent`: a person's answer to a client.

use std::collections::BTreeSet;
use std::sync::Arc;

use warp::reply::Response;

use super::super::call::Call;
use super::ask::{Ask, Onward, Stop};
use super::authorize::{Offer, agree};
use super::browser::{Browser, Form};
use super::sign_in;
use crate::authn::oauth::AuthorizeClient;
use crate::authz::Action as _;
use crate::{App, Error, Result};

pub async fn consent(app: Arc<App>, call: Call) -> Result<Response> {
    let answer = go(&app, &call).await;
    Ok(answer.unwrap_or_else(|it| it.respond(&app, Onward::Page, &call.origin.id)))
}

async fn go(app: &App, call: &Call) -> Result<Response, Stop> {
    let form = Form::read(call)?;
    let browser = Browser::of(app, &call.headers)?;
    let query = form.one("request");
    browser.expect(&form, "consent", query)?;
    let nothing = || Error::Malformed("the form carries no request".into());
    let ask = Ask::carried(app, call, query).await?.ok_or_else(nothing)?;
    let Some(caller) = browser.caller(&app.authn, call).await? else {
        let ended = Some("Your sign-in has ended. Sign in again to go on.");
        return Ok(sign_in::page(app, &browser, Some(&ask), "", ended)?);
    };
    let offer = Offer::of(app, &caller, &ask).await?;
    let ticked: BTreeSet<String> = form.all("scope").map(str::to_owned).collect();
    let chosen: BTreeSet<String> = offer.scopes.intersection(&ticked).cloned().collect();
    if form.one("decision") != "allow" || chosen.is_empty() {
        app.authz.note_refusal(&caller, AuthorizeClient::EVENT, "declined").await?;
        return Err(ask.request.refuse("access_denied", "the person said no").into());
    }
    let agreed = offer.agreed(&chosen);
    let user = caller.principal().id();
    let statement = app.oauth.consents.give(user, &ask.client.id, &agreed);
    let location = agree(app, caller, ask, chosen, vec![statement]).await?;
    Ok(Onward::Page.to(&location))
}
