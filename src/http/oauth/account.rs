//! `/oauth/account` and signing out: what a person sees of their own sign-in.

use std::sync::Arc;

use warp::reply::Response;

use super::super::call::Call;
use super::ask::{Ask, Onward, Stop};
use super::browser::{self, Browser, Form};
use super::{pages, sign_in};
use crate::authn::SignOut;
use crate::{App, Result};

pub async fn account(app: Arc<App>, call: Call) -> Result<Response> {
    let answer = show(&app, &call).await;
    Ok(answer.unwrap_or_else(|it| it.respond(&app, Onward::Page, &call.origin.id)))
}

async fn show(app: &App, call: &Call) -> Result<Response, Stop> {
    call.query().end()?;
    let browser = Browser::of(app, &call.headers)?;
    let Some(caller) = browser.caller(&app.authn, call).await? else {
        let page = sign_in::page(app, &browser, None, "", None)?;
        return Ok(browser.keep(app, page)?);
    };
    let (field, passkey) = browser.seal("passkey", "")?;
    let passkey = [(field, passkey.as_str())];
    let (field, seal) = browser.seal("sign-out", "")?;
    let sign_out = [(field, seal.as_str()), ("request", "")];
    Ok(pages::account(caller.principal().name(), &passkey, &sign_out).respond())
}

pub async fn sign_out(app: Arc<App>, call: Call) -> Result<Response> {
    let answer = end(&app, &call).await;
    Ok(answer.unwrap_or_else(|it| it.respond(&app, Onward::Page, &call.origin.id)))
}

async fn end(app: &App, call: &Call) -> Result<Response, Stop> {
    let form = Form::read(call)?;
    let browser = Browser::of(app, &call.headers)?;
    let query = form.one("request");
    browser.expect(&form, "sign-out", query)?;
    let ask = Ask::carried(app, call, query).await?;
    if let Some(caller) = browser.caller(&app.authn, call).await? {
        let permit = app.authz.authorize(caller, SignOut).await?;
        let record = permit.warrant().record().clone();
        app.authz.settled(&record, app.authn.sign_out(permit)).await?;
    }
    let to = ask.as_ref().map(Ask::after_sign_in).transpose()?;
    let to = to.unwrap_or_else(|| "/oauth/sign-in".to_owned());
    Ok(browser::clear(app, Onward::Page.to(&to))?)
}
