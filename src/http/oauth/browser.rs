//! The browser of a person: its cookie, and forms that only our own pages can send.

use std::collections::BTreeMap;

use cookie::{Cookie, SameSite};
use warp::http::{HeaderMap, HeaderValue, header};
use warp::reply::Response;

use super::super::call::Call;
use crate::authn::oauth::{BROWSER_LIFE, BrowserSecret};
use crate::authn::{Authn, Caller};
use crate::{App, Error, Result};

const FORM: &str = "application/x-www-form-urlencoded";
/// The field of a form that shows that it is ours.
const SEAL: &str = "seal";

/// A browser, known by its cookie; a new one gets it with the first page.
pub struct Browser {
    secret: BrowserSecret,
    /// Whether the answer has to set the cookie.
    new: bool,
}

/// A form of a page, as the API document tells of it: the page writes it, and nobody else can.
pub type Fields = BTreeMap<String, String>;

/// The fields of a form that was sent.
pub struct Form(Vec<(String, String)>);

impl Browser {
    pub fn of(app: &App, headers: &HeaderMap) -> Result<Browser> {
        match secret(headers, name(app)) {
            Some(secret) => Ok(Browser { secret, new: false }),
            None => Ok(Browser { secret: BrowserSecret::generate()?, new: true }),
        }
    }

    /// Who is signed in with it.
    pub async fn caller(&self, authn: &Authn, call: &Call) -> Result<Option<Caller>> {
        if self.new {
            return Ok(None);
        }
        authn.recognise_browser(&self.secret, call.origin.clone()).await
    }

    /// What binds to this browser whatever it begins.
    pub fn secret(&self) -> &BrowserSecret {
        &self.secret
    }

    /// The hidden field that makes a form ours.
    pub fn seal(&self, purpose: &str, about: &str) -> Result<(&'static str, String)> {
        Ok((SEAL, self.secret.seal(purpose, about)?))
    }

    /// Refuses a form that this browser did not get from us.
    pub fn expect(&self, form: &Form, purpose: &str, about: &str) -> Result<()> {
        let sealed = self.secret.fits(form.one(SEAL), purpose, about)?;
        if sealed && !self.new { Ok(()) } else { Err(Error::WrongOrigin) }
    }

    /// The answer, with the cookie where this browser has none yet.
    pub fn keep(&self, app: &App, response: Response) -> Result<Response> {
        if self.new { set(app, response, &self.secret) } else { Ok(response) }
    }
}

impl Form {
    /// Reads a form that was sent by a page, which has to be one of ours as far as the browser says.
    pub fn read(call: &Call) -> Result<Form> {
        let site = call.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        if site.is_some_and(|it| it != b"same-origin" && it != b"none") {
            return Err(Error::WrongOrigin);
        }
        call.expect_type(FORM)?;
        let pairs = serde_urlencoded::from_bytes(&call.body);
        pairs.map(Form).map_err(|error| Error::Malformed(error.to_string()))
    }

    /// The one value of a field; empty where there is none or more than one.
    pub fn one<'a>(&'a self, name: &'a str) -> &'a str {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none()).unwrap_or_default()
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

/// The answer, with a new cookie in place of whatever was there: who planted that knows it.
pub fn set(app: &App, response: Response, secret: &BrowserSecret) -> Result<Response> {
    let life = i64::try_from(BROWSER_LIFE.as_secs()).unwrap_or(i64::MAX);
    with_cookie(app, response, secret.reveal(), life)
}

/// The answer, and no cookie any more.
pub fn clear(app: &App, response: Response) -> Result<Response> {
    with_cookie(app, response, "", 0)
}

fn with_cookie(app: &App, mut response: Response, value: &str, life: i64) -> Result<Response> {
    let cookie = Cookie::build((name(app), value))
        .path("/")
        .http_only(true)
        .secure(app.oauth.url.is_https())
        .same_site(SameSite::Lax)
        .max_age(cookie::time::Duration::seconds(life));
    let value = HeaderValue::from_str(&cookie.to_string()).map_err(anyhow::Error::from)?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(response)
}

/// With the prefix no neighbouring host and no plain connection can plant it; it needs `https`.
fn name(app: &App) -> &'static str {
    if app.oauth.url.is_https() { "__Host-gatewright" } else { "gatewright" }
}

/// The cookie's value. Two of the same name are nobody's: one of them was planted.
fn secret(headers: &HeaderMap, name: &str) -> Option<BrowserSecret> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
    let mut found =
        lines.flat_map(Cookie::split_parse).filter_map(|it| it.ok().filter(|it| it.name() == name));
    let first = found.next()?;
    if found.next().is_some() { None } else { BrowserSecret::parse(first.value()) }
}
