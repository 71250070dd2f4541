//! `/api/v1/forward-auth`: whether a proxy may let a request through to the tool behind it.
//!
//! The proxy says in the query which tool it stands before and which scope the request takes: in
//! the query alone, since headers may come from the caller. Whoever sent the request is known by the
//! credential in it.

use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use uuid::Uuid;
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use super::route::settle;
use crate::audit::Outcome;
use crate::authn::{Request, Scheme};
use crate::credentials::verify::Verified;
use crate::credentials::{PresentCredential, Validation};
use crate::registry::is_word;
use crate::settings::Origin;
use crate::{App, Error, Result, Unproven, metrics};

pub const ASKS: &[(&str, &str)] = &[
    ("tool", "The name of the tool behind the proxy."),
    ("scope", "What the request takes of it, in the tool's own words."),
    ("uri", "Where a proxy can only add the caller's URI to the end: it, and all that follows."),
];

// Each is there with every yes, if need be empty, so that a proxy that copies them leaves nothing of
// what a caller wrote.
const AGENT: &str = "x-gatewright-agent";
const AGENT_NAME: &str = "x-gatewright-agent-name";
const CREDENTIAL: &str = "x-gatewright-credential";
const SCOPES: &str = "x-gatewright-scopes";
const ON_BEHALF_OF: &str = "x-gatewright-on-behalf-of";
const DECISION: &str = "x-gatewright-decision";

/// What is written with a percent sign in a header, besides all that is not ASCII.
const UNWRITABLE: &AsciiSet = &CONTROLS.add(b'%');

/// Why not, in the form of RFC 9457.
#[derive(Serialize)]
struct Refused<'a> {
    title: &'static str,
    status: u16,
    code: &'a str,
    detail: &'a str,
}

pub async fn decide(app: Arc<App>, call: Call) -> Result<Response> {
    let (tool, scope) = asked(&call)?;
    let (scheme, token) = call.request().token().inspect_err(|_| metrics::unauthenticated())?;
    let action = match app.credentials.shown(token.expose_secret(), tool, scope).await? {
        Ok(it) => it,
        Err(it) => {
            metrics::unauthenticated();
            return Ok(refused(it.reason.as_str(), &it.detail));
        }
    };
    let action = proved(&app, &call, (scheme, &token), action)?;
    let caller = app.authn.presenter(&action.presented(), call.origin.clone())?;
    let permit = app.authz.authorize(caller, action).await.map_err(told)?;
    let validation = app.credentials.present(app.authz.world(), &permit)?;
    let (outcome, answer) = match validation {
        Validation::Valid(it) => (Outcome::Success, admitted(&it, permit.warrant().decision())),
        Validation::Invalid { reason, detail, .. } => (Outcome::Failed, refused(&reason, &detail)),
    };
    settle(&app, permit.warrant(), outcome).await?;
    Ok(answer)
}

/// The tool and the scope, as the proxy was told to ask.
fn asked(call: &Call) -> Result<(String, String)> {
    let mut query = call.query_before("uri");
    let mut word = |name: &str| {
        let given = query.text(name).filter(|it| is_word(it)).map(str::to_owned);
        if given.is_none() {
            query.fault(name, "must be a name, such as `translate`: the proxy's settings say it");
        }
        given.unwrap_or_default()
    };
    let asked = (word("tool"), word("scope"));
    query.end()?;
    Ok(asked)
}

/// The credential together with the key that was proved, where it was sent so.
fn proved(
    app: &App,
    call: &Call,
    (scheme, token): (Scheme, &SecretString),
    action: PresentCredential,
) -> Result<PresentCredential> {
    if scheme == Scheme::Bearer {
        return Ok(action);
    }
    let (server, method, path) = forwarded(call)?;
    let request = Request { headers: &call.headers, method: &method, path: &path };
    Ok(action.by_holder_of(app.authn.proven_key(&server, request, token)?))
}

/// The request that the proxy asks about: what a proof names (RFC 9449 section 4.3).
fn forwarded(call: &Call) -> Result<(Origin, Method, String)> {
    let said = |name: &str| {
        let unsaid = || Error::Malformed(format!("the proxy must say `{name}`, for DPoP proofs"));
        call.header(name).ok_or_else(unsaid)
    };
    let server = format!("{}://{}", said("x-forwarded-proto")?, said("x-forwarded-host")?);
    let server =
        server.parse().map_err(|_| Error::Malformed(format!("`{server}` is no server")))?;
    let method = said("x-forwarded-method")?;
    let method = method.parse().map_err(|_| Error::Malformed("no such method".into()))?;
    let uri = said("x-forwarded-uri")?;
    Ok((server, method, uri.split(['?', '#']).next().unwrap_or_default().to_owned()))
}

/// Proxies understand yes, no, and not without a credential.
fn told(error: Error) -> Error {
    match error {
        // What its holder may not do or even see is of no use to whoever has it.
        Error::NotFound => Unproven::BadToken.into(),
        other => other,
    }
}

fn admitted(it: &Verified, decision: Uuid) -> Response {
    let scopes: Vec<&str> = it.scopes.iter().map(String::as_str).collect();
    let name = utf8_percent_encode(&it.agent_name, UNWRITABLE).to_string();
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    for (header, value) in [
        (AGENT, it.agent.as_str()),
        (AGENT_NAME, &name),
        (CREDENTIAL, &it.credential_id),
        (SCOPES, &scopes.join(" ")),
        (ON_BEHALF_OF, it.on_behalf_of.as_deref().unwrap_or_default()),
        (DECISION, &decision.to_string()),
    ] {
        put(headers, header, value);
    }
    fresh(headers);
    response
}

/// RFC 6750 section 3.1, and RFC 9449 section 7.1 where a key was not proved.
fn refused(reason: &str, detail: &str) -> Response {
    let (status, error) = match reason {
        "limits" | "feed_stale" => (StatusCode::SERVICE_UNAVAILABLE, None),
        "scope" | "argument" | "check" | "online_only" | "inactive" => {
            (StatusCode::FORBIDDEN, Some("insufficient_scope"))
        }
        _ => (StatusCode::UNAUTHORIZED, Some("invalid_token")),
    };
    let title = "The credential does not admit this request";
    let refused = Refused { title, status: status.as_u16(), code: reason, detail };
    let mut response = json(&refused).into_response();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    put(headers, "content-type", "application/problem+json");
    if let Some(error) = error {
        let scheme = if reason == "holder" { "DPoP" } else { "Bearer" };
        let challenge = format!(
            "{scheme} realm=\"gatewright\", error=\"{error}\", error_description=\"{reason}\""
        );
        put(headers, "www-authenticate", &challenge);
    }
    fresh(headers);
    response
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The next request may be answered otherwise.
fn fresh(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
