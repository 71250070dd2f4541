//! `/api/v1/forward-auth`: whether a proxy may let a request through to the tool behind it.
//!
//! The proxy says in the query which tool it stands before and which scope the request takes: in
//! the query alone, since headers may come from the caller. Whoever sent the request is known by the
//! credential in it.

use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use uuid::Uuid;
use warp::http::{HeaderValue, Method, StatusCode, header};
use warp::reply::{Reply as _, Response};

use super::call::Call;
use crate::authn::Request;
use crate::credentials::PresentCredential;
use crate::credentials::verify::Verified;
use crate::registry::is_word;
use crate::settings::Origin;
use crate::{App, Error, Result, Unproven};

pub const PATH: &str = "/api/v1/forward-auth";

pub const ASKS: &[(&str, &str)] = &[
    ("tool", "The name of the tool behind the proxy."),
    ("scope", "What the request takes of it, in the tool's own words."),
    ("uri", "Where a proxy can only add the caller's URI to the end: it, and all that follows."),
];

/// What is written with a percent sign in a header, besides all that is not ASCII.
const UNWRITABLE: &AsciiSet = &CONTROLS.add(b'%');

/// The request that the proxy asks about: what a proof of the holder's key names (RFC 9449).
struct Asked {
    server: Origin,
    method: Method,
    path: String,
}

pub async fn decide(app: Arc<App>, call: Call) -> Result<Response> {
    let (tool, scope) = use_of(&call)?;
    let asked = Asked::by(&call)?;
    let request = asked.as_ref().map_or_else(|| call.request(), |it| it.sent(&call));
    let known = app.identify_holder(request, call.origin.clone()).await?;
    let Some((caller, presented)) = known else {
        let any = call.headers.contains_key(header::AUTHORIZATION);
        // Tokens of other kinds say nothing of what may be done at a tool.
        return Err(if any { Unproven::BadToken } else { Unproven::NoToken }.into());
    };
    let action = PresentCredential { presented, tool, scope };
    let permit = app.authz.authorize(caller, action).await.map_err(told)?;
    let verified = async { app.credentials.at_door(app.authz.world(), &permit) };
    let verified = app.authz.settled(permit.warrant().record(), verified).await?;
    Ok(admitted(&verified, permit.warrant().decision()))
}

/// The tool and the scope, as the proxy was told to ask.
fn use_of(call: &Call) -> Result<(String, String)> {
    let mut query = call.query_before("uri");
    let mut word = |name: &str| {
        let given = query.text(name).filter(|it| is_word(it)).map(str::to_owned);
        if given.is_none() {
            query.fault(name, "must be a name, such as `translate`: the proxy's settings say it");
        }
        given.unwrap_or_default()
    };
    let both = (word("tool"), word("scope"));
    query.end()?;
    Ok(both)
}

impl Asked {
    /// What the proxy says, as far as it says it; else no proof names this request.
    fn by(call: &Call) -> Result<Option<Asked>> {
        let said = |name: &str| call.header(&format!("x-forwarded-{name}"));
        let (Some(scheme), Some(host)) = (said("proto"), said("host")) else { return Ok(None) };
        let (Some(method), Some(uri)) = (said("method"), said("uri")) else { return Ok(None) };
        let server = format!("{scheme}://{host}");
        let unreadable = || Error::Malformed(format!("`{server}` is no server"));
        Ok(Some(Asked {
            server: server.parse().map_err(|_| unreadable())?,
            method: method.parse().map_err(|_| Error::Malformed("no such method".into()))?,
            path: uri.split(['?', '#']).next().unwrap_or_default().to_owned(),
        }))
    }

    fn sent<'a>(&'a self, call: &'a Call) -> Request<'a> {
        Request {
            headers: &call.headers,
            method: &self.method,
            path: &self.path,
            service: call.service,
            server: Some(&self.server),
        }
    }
}

/// Proxies understand yes, no, and not without a credential.
fn told(error: Error) -> Error {
    match error {
        // Whoever may not even know of the credential has no use of it.
        Error::NotFound => Unproven::BadToken.into(),
        other => other,
    }
}

/// Each header is there with every yes, if need be empty, so that a proxy that copies them leaves
/// nothing of what a caller wrote.
fn admitted(it: &Verified, decision: Uuid) -> Response {
    let scopes: Vec<&str> = it.scopes.iter().map(String::as_str).collect();
    let name = utf8_percent_encode(&it.agent_name, UNWRITABLE).to_string();
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    for (header, value) in [
        ("x-gatewright-agent", it.agent.as_str()),
        ("x-gatewright-agent-name", &name),
        ("x-gatewright-credential", &it.credential_id),
        ("x-gatewright-scopes", &scopes.join(" ")),
        ("x-gatewright-on-behalf-of", it.on_behalf_of.as_deref().unwrap_or_default()),
        ("x-gatewright-decision", &decision.to_string()),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(header, value);
        }
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
