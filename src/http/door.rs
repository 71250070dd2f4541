//! The door: requests meant for another name, or sent by a page of a foreign origin, stay outside
//! (DNS rebinding, cross-site requests).

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_service::Service;
use warp::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use warp::reply::{Reply as _, Response};

use super::trace::Trace;
use super::{forward_auth, problem};
use crate::clock::Clock;
use crate::identify::Strangers;
use crate::net::host::{Hosts, Origins};
use crate::{Error, Result};

const AUTH: HeaderName = HeaderName::from_static("x-gatewright-auth");
const DISABLED: HeaderValue = HeaderValue::from_static("disabled");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, dpop, if-match, mcp-method, mcp-name, mcp-protocol-version, \
     mcp-session-id, x-request-id, traceparent",
);
/// What pages may read of an answer besides what they always may: an MCP client in one needs these.
const EXPOSED: HeaderValue = HeaderValue::from_static("mcp-session-id, www-authenticate");

/// A service behind the door.
#[derive(Clone)]
pub struct Door<S> {
    inner: S,
    rules: Arc<Rules>,
}

/// Who may come in.
pub struct Rules {
    pub clock: Clock,
    pub hosts: Hosts,
    pub origins: Origins,
    pub(crate) strangers: Strangers,
}

impl<S> Door<S> {
    pub fn new(inner: S, rules: Arc<Rules>) -> Door<S> {
        Door { inner, rules }
    }
}

impl<S, B> Service<Request<B>> for Door<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        let begin = || Trace::begin(&self.rules.clock, method, headers);
        if let Err(error) = self.rules.admit(method, uri, headers) {
            let trace = begin();
            let mut response = problem::render(error, &trace.request_id);
            trace.end("door", &mut response);
            self.rules.confess(&mut response);
            return Box::pin(async { Ok(response) });
        }
        let origin = self.rules.trusted_origin(uri, headers);
        if method == Method::OPTIONS && origin.is_some() {
            let mut response = preflight(origin);
            begin().end("preflight", &mut response);
            self.rules.confess(&mut response);
            return Box::pin(async { Ok(response) });
        }
        let (answer, rules) = (self.inner.call(request), self.rules.clone());
        Box::pin(async move {
            let mut response = answer.await?;
            allow(&mut response, origin);
            rules.confess(&mut response);
            Ok(response)
        })
    }
}

impl Rules {
    fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<()> {
        // Proxies ask under the name, and with the headers, of the request that they ask about. No
        // page can use that: it is answered for the credential in the request alone.
        if uri.path() == forward_auth::PATH {
            return Ok(());
        }
        if !self.hosts.allows(uri, headers) {
            return Err(Error::WrongHost);
        }
        match self.origins.allows(method, uri, headers) {
            true => Ok(()),
            false => Err(Error::WrongOrigin),
        }
    }

    /// A server that asks nobody who they are says so in every answer, and to whoever reads its log.
    fn confess(&self, response: &mut Response) {
        if let Strangers::TakenFor(username) = &self.strangers {
            let request = response.headers().get("x-request-id");
            tracing::warn!(?request, taken_for = %username, "authentication is disabled");
            response.headers_mut().insert(AUTH, DISABLED);
        }
    }

    /// The origin of the page that asks, if pages of it may read the answer.
    fn trusted_origin(&self, uri: &Uri, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        self.origins.trusts(uri, headers).then(|| origin.clone())
    }
}

fn preflight(origin: Option<HeaderValue>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    allow(&mut response, origin);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

fn allow(response: &mut Response, origin: Option<HeaderValue>) {
    let Some(origin) = origin else { return };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
