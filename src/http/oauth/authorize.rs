//! `/oauth/authorize`: a client sends a person's browser, to be let act in their name (OAuth 2.1
//! section 4.1).

use std::collections::BTreeSet;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use warp::reply::Response;

use super::super::call::Call;
use super::super::list::time;
use super::ask::{Ask, Onward, Stop};
use super::browser::Browser;
use super::{pages, sign_in};
use crate::authn::Caller;
use crate::authn::oauth::{AuthorizeClient, Known};
use crate::authz::facts::Particulars;
use crate::authz::{Action as _, Permit};
use crate::store::Statement;
use crate::{App, Error, Result};

/// The parameters of the request.
pub const AUTHORIZE: &[(&str, &str)] = &[
    ("client_id", "Who asks: a registered client's id."),
    ("redirect_uri", "Where the answer goes; one of those that the client registered."),
    ("response_type", "`code`"),
    ("scope", "Space-separated; what is asked for."),
    ("state", "Comes back with the answer."),
    ("code_challenge", "SHA-256 of the code verifier, base64url (RFC 7636)."),
    ("code_challenge_method", "`S256`"),
    ("resource", "Whom the tokens are for (RFC 8707); this service when left out."),
    ("prompt", "`none`, `login` or `consent`"),
    ("dpop_jkt", "Thumbprint of the key that the code is bound to (RFC 9449)."),
];

pub async fn authorize(app: Arc<App>, call: Call) -> Result<Response> {
    let answer = go(&app, &call).await;
    Ok(answer.unwrap_or_else(|it| it.respond(&app, Onward::Redirect, &call.origin.id)))
}

async fn go(app: &App, call: &Call) -> Result<Response, Stop> {
    let ask = Ask::read(app, call, &call.query).await?;
    let browser = Browser::of(app, &call.headers)?;
    let prompt = ask.request.prompt;
    let caller = browser.caller(&app.authn, call).await?;
    let Some(caller) = caller.filter(|_| !prompt.wants_sign_in()) else {
        if prompt.is_never() {
            return Err(ask.request.refuse("login_required", "nobody is signed in").into());
        }
        let page = sign_in::page(app, &browser, Some(&ask), "", None)?;
        return Ok(browser.keep(app, page)?);
    };
    if app.asks_for_factor(&caller)? {
        if prompt.is_never() {
            return Err(ask.request.refuse("interaction_required", "a factor is needed").into());
        }
        return Ok(pages::factor_first(ask.name()).respond());
    }
    let offer = Offer::of(app, &caller, &ask).await?;
    if offer.is_agreed() && !prompt.wants_consent() {
        let location = agree(app, caller, ask, offer.scopes, Vec::new()).await?;
        return Ok(Onward::Redirect.to(&location));
    }
    if prompt.is_never() {
        return Err(ask.request.refuse("consent_required", "the person has to be asked").into());
    }
    consent_page(app, &browser, &caller, &ask, &offer).map_err(Stop::from)
}

/// What a person could let a client hold, and what of it they have agreed to before.
pub struct Offer {
    pub scopes: BTreeSet<String>,
    given: BTreeSet<String>,
    assured: bool,
}

impl Offer {
    /// Whether there is anything to ask: policy is asked first, so that nobody agrees in vain.
    pub async fn of(app: &App, caller: &Caller, ask: &Ask) -> Result<Offer, Stop> {
        let asked = ask.request.scopes.as_ref().unwrap_or(&app.oauth.default_scopes);
        let candidates: Vec<String> = asked.iter().cloned().collect();
        let scopes = BTreeSet::from_iter(app.authz.holdable(caller, &candidates)?);
        if scopes.is_empty() {
            let none = "policy lets this person hold none of these scopes";
            return Err(ask.request.refuse("invalid_scope", none).into());
        }
        let (action, client) = (AuthorizeClient::NAME, &ask.client);
        if !app.authz.would_allow(caller, action, client, &Particulars::Token)? {
            // Asked for good, so that the denial is written down.
            let asked = permit(app, caller.clone(), ask, BTreeSet::new()).await;
            return Err(asked.err().unwrap_or_else(|| Error::internal("a changed mind").into()));
        }
        let given = app.oauth.consents.given(caller.principal().id(), &client.id).await?;
        let assured = client.is_assured_at(&ask.request.redirect_uri);
        Ok(Offer { scopes, given, assured })
    }

    fn is_agreed(&self) -> bool {
        self.assured && self.scopes.is_subset(&self.given)
    }

    /// What is agreed to from now on: what was not shown stays as it was.
    pub fn agreed(&self, chosen: &BTreeSet<String>) -> BTreeSet<String> {
        self.given.difference(&self.scopes).chain(chosen).cloned().collect()
    }
}

/// The address that carries the code to the client.
pub async fn agree(
    app: &App,
    caller: Caller,
    ask: Ask,
    scopes: BTreeSet<String>,
    agreed: Vec<Statement>,
) -> Result<String, Stop> {
    let permit = permit(app, caller, &ask, scopes).await?;
    let record = permit.warrant().record().clone();
    let code = app.authz.settled(&record, app.authn.give_code(permit, agreed)).await?;
    let mut pairs = vec![("code", code.expose_secret())];
    pairs.extend(ask.request.state.as_deref().map(|it| ("state", it)));
    pairs.push(("iss", &app.oauth.issuer));
    Ok(ask.request.redirect_uri.with(&pairs))
}

async fn permit(
    app: &App,
    caller: Caller,
    ask: &Ask,
    scopes: BTreeSet<String>,
) -> Result<Permit<AuthorizeClient>, Stop> {
    let (client, request) = (ask.client.clone(), ask.request.clone());
    let action = AuthorizeClient { client, request, scopes };
    app.authz.authorize(caller, action).await.map_err(|error| match error {
        Error::Denied(denial) => ask.request.refuse("access_denied", denial.detail).into(),
        other => other.into(),
    })
}

fn consent_page(
    app: &App,
    browser: &Browser,
    caller: &Caller,
    ask: &Ask,
    offer: &Offer,
) -> Result<Response> {
    let registered = match ask.client.known {
        Known::Registered { at } => Some(time(at).strftime("%Y-%m-%d").to_string()),
        Known::ByDocument { .. } => None,
    };
    let scopes: Vec<_> = offer
        .scopes
        .iter()
        .map(|scope| pages::Asked { scope, agreed: offer.given.contains(scope) })
        .collect();
    let (field, seal) = browser.seal("consent", &ask.query)?;
    let (_, sign_out) = browser.seal("sign-out", &ask.query)?;
    let audience = ask.request.audience.as_str();
    let page = pages::Consent {
        client: &ask.client,
        redirect_uri: &ask.request.redirect_uri,
        registered,
        username: caller.principal().name(),
        scopes: &scopes,
        audience: (audience != app.oauth.resources.own()).then_some(audience),
        hidden: &[(field, &seal), ("request", &ask.query)],
        sign_out: &[(field, &sign_out), ("request", &ask.query)],
    };
    Ok(page.page().respond())
}
