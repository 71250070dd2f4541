//! The way of one request into the handler and of its answer out.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tower_service::Service;

use super::Peer;
use super::body::{BoxError, Timed};
use super::reply::Reply;
use super::vitals::{Serving, Vitals};

/// Counts requests whose handler panicked.
const PANICS: &str = "gatewright_panics_total";

/// What a caller learns of a panic (RFC 9457): nothing but that it was not the caller's fault.
const INTERNAL: &str = r#"{"type":"/problems/internal","title":"Internal error","status":500}"#;

/// The service of one connection: tells the handler who calls, holds the body to its deadline,
/// keeps the connection's vitals and outlives a panic.
pub(super) struct Attended<S> {
    pub(super) service: S,
    pub(super) peer: Peer,
    pub(super) body: Duration,
    pub(super) vitals: Arc<Vitals>,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Attended<S>
where
    S: Service<Request<Timed<Incoming>>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Error: Into<BoxError>> + 'static,
{
    type Response = Response<Reply<B>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let serving = self.vitals.request();
        let mut request = request.map(|it| Timed::new(it, self.body, self.vitals.body()));
        request.extensions_mut().insert(self.peer.clone());
        let answer = answer(self.service.clone(), request);
        Box::pin(async move {
            Ok(match AssertUnwindSafe(answer).catch_unwind().await {
                Ok(Ok(response)) => response.map(|it| Reply::new(it, serving)),
                // What it panicked with stays out of the log: the panic hook has told it.
                Err(_) => panicked(serving),
            })
        })
    }
}

async fn answer<S, B>(
    mut service: S,
    request: Request<Timed<Incoming>>,
) -> Result<Response<B>, Infallible>
where
    S: Service<Request<Timed<Incoming>>, Response = Response<B>, Error = Infallible>,
{
    poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(request).await
}

fn panicked<B>(serving: Serving) -> Response<Reply<B>> {
    metrics::counter!(PANICS).increment(1);
    tracing::error!("handler panicked");
    let mut response = Response::new(Reply::fixed(INTERNAL, serving));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
