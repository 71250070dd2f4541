//! The API: a table of routes behind one warp filter.

mod access_requests;
mod account;
mod agent_actions;
mod agents;
mod api_keys;
mod approval_events;
mod approvals;
mod audit;
mod authzen;
mod bundles;
mod call;
mod challenge;
mod credentials;
mod decisions;
pub mod describe;
pub mod distinct;
mod docs;
pub mod door;
mod factors;
mod forward_auth;
mod grants;
mod health;
mod import;
mod invoke;
mod list;
mod mandates;
pub mod mcp;
mod multipart;
mod oauth;
pub mod openapi;
mod passkeys;
mod policies;
mod probes;
pub mod problem;
pub mod proxies;
mod rehearsal;
pub mod route;
mod session;
mod table;
mod tools;
mod trace;
mod typed;
mod users;
mod versions;
mod well_known;

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, Method, header};
use warp::path::FullPath;
use warp::reply::Response;

pub use self::call::Call;
pub use self::route::{Kind, Route};
pub use self::table::routes;
pub use self::users::name_fault;

use self::route::Found;
use self::trace::Trace;
use crate::audit::entry::Origin;
use crate::net::Peer;
use crate::net::body::Late;
use crate::patience::Patience;
use crate::{App, Error, Result, metrics};

pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Nobody waits longer for an answer than this, once the whole request is here; but for a tool.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3);
const USER_AGENT_CHARS_MAX: usize = 200;

/// All that the server answers, as one warp filter.
pub fn service(app: Arc<App>) -> BoxedFilter<(Response,)> {
    answering(app, routes())
}

/// The listener of figures alone.
pub fn figures_only(app: Arc<App>) -> BoxedFilter<(Response,)> {
    answering(app, table::figures())
}

fn answering(app: Arc<App>, routes: Vec<Route>) -> BoxedFilter<(Response,)> {
    let table = Arc::new(route::Table::new(routes));
    warp::method()
        .and(warp::path::full())
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<Peer>())
        .and(warp::body::stream())
        .then(move |method, path, query, headers, peer, body| {
            let head = Head { method, path, query, headers, peer };
            answer(app.clone(), table.clone(), head, body)
        })
        .boxed()
}

struct Head {
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
    peer: Option<Peer>,
}

/// Answers whatever comes, in the end always with a response that carries the request's id.
async fn answer(
    app: Arc<App>,
    table: Arc<route::Table>,
    head: Head,
    body: impl Stream<Item = Result<impl Buf, warp::Error>> + Send,
) -> Response {
    let trace = Trace::begin(&app.clock, &head.method, &head.headers);
    let mut metadata_url = app.oauth.resource_metadata_url.clone();
    let (template, answer) = match table.find(&head.method, head.path.as_str()) {
        Found::Route(route, params) => {
            metadata_url = app.oauth.metadata_url(route.service);
            let answer = dispatch(app, route.clone(), params, head, body, &trace).await;
            (route.path, answer)
        }
        Found::OtherMethods(allow) => ("other_method", Err(Error::MethodNotAllowed { allow })),
        Found::Nothing => ("unknown", Err(Error::NotFound)),
    };
    let mut response = answer.unwrap_or_else(|error| problem::render(error, &trace.request_id));
    challenge::complete(&mut response, &metadata_url);
    trace.end(template, &mut response);
    response
}

/// Runs the route in a task of its own: a client that hangs up must not leave a decision half done,
/// nor must one that is told to come back later.
async fn dispatch(
    app: Arc<App>,
    route: Arc<Route>,
    params: Vec<(&'static str, String)>,
    head: Head,
    body: impl Stream<Item = Result<impl Buf, warp::Error>> + Send,
    trace: &Trace,
) -> Result<Response> {
    let query = call::split_query(&head.query)?;
    let body = read(body, route.body_bytes_max).await?;
    let origin = Origin {
        id: trace.request_id.clone(),
        ip: client_ip(&app, &head),
        user_agent: printable(&head.headers, header::USER_AGENT, USER_AGENT_CHARS_MAX)
            .unwrap_or_default(),
        method: route.method.to_string(),
        route: route.path.to_owned(),
    };
    let hung_up = CancellationToken::new();
    // Dropped together with this future when the connection is.
    let waiting = hung_up.clone().drop_guard();
    let patience = Patience::default();
    let call = Call {
        patience: patience.clone(),
        service: route.service,
        hung_up,
        method: head.method,
        path: head.path.as_str().to_owned(),
        params,
        query,
        asks: route.about.query,
        headers: head.headers,
        body,
        origin: Arc::new(origin),
        presented: None,
        credential_ttl_seconds: app.credential_ttl_seconds,
    };
    let work = patience.clone().over(async move { route.serve(app, call).await });
    let mut work = tokio::spawn(work.instrument(trace.span()));
    let mut done = timeout(ANSWER_TIME_MAX, &mut work).await;
    while done.is_err()
        && let Some(left) = patience.left(ANSWER_TIME_MAX)
    {
        done = timeout(left, &mut work).await;
    }
    if done.is_ok() {
        waiting.disarm();
    }
    match done {
        Ok(Ok(answer)) => answer,
        Err(_) => Err(Error::Unavailable { what: "something that the answer needs" }),
        Ok(Err(error)) => {
            if error.is_panic() {
                ::metrics::counter!(metrics::PANICS).increment(1);
            }
            // What it panicked with may hold anything, and the panic hook has told the place.
            Err(Error::internal("the handler did not finish"))
        }
    }
}

/// Reads a body of bounded size, however the client frames it.
async fn read(
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    max_bytes: usize,
) -> Result<Bytes> {
    let mut body = pin!(body);
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| unreadable(&error))?;
        if max_bytes < bytes.len() + chunk.remaining() {
            return Err(Error::TooLarge { max_bytes });
        }
        bytes.put(chunk);
    }
    Ok(bytes.freeze())
}

fn unreadable(error: &warp::Error) -> Error {
    match Late::caused(error) {
        true => Error::RequestTimeout,
        false => Error::Malformed("the body ended early".into()),
    }
}

/// The address that asks: the peer's own, or behind a trusted proxy the one it names.
fn client_ip(app: &App, head: &Head) -> IpAddr {
    let peer = head.peer.as_ref().map_or(IpAddr::from([0, 0, 0, 0]), |it| it.addr.ip());
    app.proxies.client(peer.to_canonical(), &head.headers)
}

fn printable(headers: &HeaderMap, name: header::HeaderName, max: usize) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(text.chars().filter(|it| !it.is_control()).take(max).collect())
}
