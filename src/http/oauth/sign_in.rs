//! `/oauth/sign-in`: a person signs in with a browser, in the same steps as by the API.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use warp::http::StatusCode;
use warp::reply::Response;

use super::super::call::Call;
use super::ask::{Ask, Onward, Stop};
use super::browser::{self, Browser, Form};
use super::{federation, pages};
use crate::authn::Caller;
use crate::authn::factors::Means;
use crate::second_factor::{BegunProof, Shown, SignedProof};
use crate::sign_in::{Opening, Step};
use crate::{App, Error, Result, Unproven};

/// Where somebody goes who signed in for nothing but that.
const HOME: &str = "/oauth/account";

/// The page without a client: somebody signs in to see to their own affairs.
pub async fn form(app: Arc<App>, call: Call) -> Result<Response> {
    let answer = async {
        call.query().end()?;
        let browser = Browser::of(&app, &call.headers)?;
        let page = page(&app, &browser, None, "", None)?;
        Ok::<_, Stop>(browser.keep(&app, page)?)
    };
    let answer = answer.await;
    Ok(answer.unwrap_or_else(|it| it.respond(&app, Onward::Page, &call.origin.id)))
}

pub async fn submit(app: Arc<App>, call: Call) -> Result<Response> {
    let answer = password(&app, &call).await;
    Ok(answer.unwrap_or_else(|it| it.respond(&app, Onward::Page, &call.origin.id)))
}

pub async fn second_factor(app: Arc<App>, call: Call) -> Result<Response> {
    let answer = factor(&app, &call).await;
    Ok(answer.unwrap_or_else(|it| it.respond(&app, Onward::Page, &call.origin.id)))
}

async fn password(app: &App, call: &Call) -> Result<Response, Stop> {
    let form = Form::read(call)?;
    let browser = Browser::of(app, &call.headers)?;
    let query = form.one("request");
    browser.expect(&form, "sign-in", query)?;
    let ask = Ask::carried(app, call, query).await?;
    let username = form.one("username");
    let proven = async {
        app.sign_in_limits.admit(call.origin.ip, &format!("login {username}"))?;
        let password = SecretString::from(form.one("password"));
        app.authn.prove_password(username, password, call.origin.clone()).await
    };
    match proven.await {
        Ok(caller) => go_on(app, call, &browser, ask.as_ref(), caller).await,
        Err(error) => {
            let text = told(error)?;
            Ok(page(app, &browser, ask.as_ref(), username, Some(&text))?)
        }
    }
}

/// Goes on from a first proof, whatever it was.
pub async fn go_on(
    app: &App,
    call: &Call,
    browser: &Browser,
    ask: Option<&Ask>,
    caller: Caller,
) -> Result<Response, Stop> {
    match app.sign_in(caller, None).await? {
        Step::Open(opening) => open(app, call, browser, ask, opening).await,
        Step::SecondFactor(challenge) => {
            let token = challenge.token.ok_or_else(|| Error::internal("nothing to go on"))?;
            let passkey = match challenge.means.contains(&Means::Passkey) {
                true => Some(app.begin_second_factor(&token, call.origin.clone()).await?),
                false => None,
            };
            let query = ask.map_or("", |it| it.query.as_str());
            Ok(factor_page(browser, &token, query, passkey.as_ref(), None)?)
        }
    }
}

async fn factor(app: &App, call: &Call) -> Result<Response, Stop> {
    let form = Form::read(call)?;
    let browser = Browser::of(app, &call.headers)?;
    let (query, token) = (form.one("request"), SecretString::from(form.one("mfa_token")));
    browser.expect(&form, "second-factor", &about(&token, query))?;
    let ask = Ask::carried(app, call, query).await?;
    let shown = shown(&form)?;
    match app.second_factor(&token, &shown, call.origin.clone()).await {
        Ok(opening) => open(app, call, &browser, ask.as_ref(), opening).await,
        Err(error @ Error::Unauthenticated(Unproven::BadMfaToken)) => {
            let text = told(error)?;
            Ok(page(app, &browser, ask.as_ref(), "", Some(&text))?)
        }
        Err(error) => {
            let text = told(error)?;
            let passkey = match shown {
                Shown::Passkey(_) => {
                    Some(app.begin_second_factor(&token, call.origin.clone()).await?)
                }
                Shown::Otp(_) => None,
            };
            Ok(factor_page(&browser, &token, query, passkey.as_ref(), Some(&text))?)
        }
    }
}

/// What was typed, or what a passkey signed.
fn shown(form: &Form) -> Result<Shown> {
    let credential = form.one("credential");
    if credential.is_empty() {
        return Ok(Shown::Otp(form.one("otp").into()));
    }
    let credential = serde_json::from_str(credential)
        .map_err(|_| Error::Malformed("`credential` is not what a passkey signs".into()))?;
    let ceremony = form.one("ceremony").into();
    Ok(Shown::Passkey(Box::new(SignedProof { ceremony, credential })))
}

/// Opens the browser's session under a new cookie, and goes on to what the sign-in was for.
async fn open(
    app: &App,
    call: &Call,
    browser: &Browser,
    ask: Option<&Ask>,
    Opening { permit, statements }: Opening,
) -> Result<Response, Stop> {
    let record = permit.warrant().record().clone();
    let opened = async {
        let replaced = browser.caller(&app.authn, call).await?.and_then(|it| it.session().id);
        let scopes = app.holdable_scopes(permit.caller(), None)?;
        app.authn.open_browser(permit, &scopes, statements, replaced).await
    };
    let secret = app.authz.settled(&record, opened).await?;
    let to = ask.map(Ask::after_sign_in).transpose()?.unwrap_or_else(|| HOME.to_owned());
    Ok(browser::set(app, Onward::Page.to(&to), &secret)?)
}

/// The page that asks for name and password.
pub fn page(
    app: &App,
    browser: &Browser,
    ask: Option<&Ask>,
    username: &str,
    fault: Option<&str>,
) -> Result<Response> {
    let query = ask.map_or("", |it| it.query.as_str());
    let (field, seal) = browser.seal("sign-in", query)?;
    let page = pages::SignIn {
        client: ask.map(Ask::name),
        username,
        fault,
        hidden: &[(field, &seal), ("request", query)],
        providers: &federation::entrances(app, query),
    };
    Ok(with_fault(page.page(), fault))
}

fn factor_page(
    browser: &Browser,
    token: &SecretString,
    query: &str,
    passkey: Option<&BegunProof>,
    fault: Option<&str>,
) -> Result<Response> {
    let (field, seal) = browser.seal("second-factor", &about(token, query))?;
    let hidden = [(field, &*seal), ("request", query), ("mfa_token", token.expose_secret())];
    let passkey = passkey.map(|it| (it.ceremony.expose_secret(), &it.options));
    Ok(with_fault(pages::SecondFactor { fault, hidden: &hidden, passkey }.page(), fault))
}

fn with_fault(page: pages::Page, fault: Option<&str>) -> Response {
    match fault {
        Some(_) => page.with_status(StatusCode::FORBIDDEN).respond(),
        None => page.respond(),
    }
}

fn about(token: &SecretString, query: &str) -> String {
    format!("{} {query}", token.expose_secret())
}

/// What a person can mend is said on the page; the rest ends it.
fn told(error: Error) -> Result<String> {
    match error {
        Error::Unauthenticated(Unproven::BadMfaToken) => {
            Ok("That took too long. Sign in again.".into())
        }
        Error::Unauthenticated(_) => Ok("That is not right. Check it and try again.".into()),
        Error::TooMany { retry_after_seconds } => {
            Ok(format!("Too many attempts. Wait {retry_after_seconds} seconds and try again."))
        }
        other => Err(other),
    }
}
