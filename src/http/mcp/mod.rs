//! `POST /mcp`: the tools a caller may use, as an MCP server (2026-07-28, and the versions before it
//! that begin with `initialize`).
//!
//! The protocol is rmcp's; who asks, what they see and what they may call is decided where all else
//! is. Nothing is kept between two requests: an `Mcp-Session-Id` only tells one client's request ids
//! from another's, so there is no session to be taken over or to be left behind.

mod approval;
mod arguments;
mod call;
mod listing;
mod message;
mod progress;
mod refusal;
mod server;
mod session;
mod under_way;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyDataStream, BodyExt as _, Full};
use rmcp::ErrorData;
use rmcp::model::{JsonRpcError, RequestId};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use warp::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use warp::reply::{Reply as _, Response, json};

pub use self::session::Sessions;
pub use self::under_way::UnderWay;

use self::message::{Kind, Message};
use self::server::{Asked, Server};
use super::BODY_BYTES_MAX;
use super::call::Call;
use crate::authn::Caller;
use crate::{App, Error, Result};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// The name that rmcp sees: which names are ours has been judged at the door, and HTTP/2 has none in
/// its headers.
const HOST: HeaderValue = HeaderValue::from_static("localhost");
const EVENTS: &str = "text/event-stream";

/// An answer of rmcp.
type Spoken = http::Response<BoxBody<Bytes, Infallible>>;

/// What the MCP server holds besides what every route has.
pub struct Mcp {
    sessions: Sessions,
    under_way: Arc<UnderWay>,
}

impl Mcp {
    pub fn new(sessions: Sessions) -> Mcp {
        Mcp { sessions, under_way: Arc::default() }
    }
}

/// Answers one message.
pub async fn serve(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    call.expect_type("application/json")?;
    let message = match Message::read(&call.body, &call.headers) {
        Ok(message) => message,
        Err(unreadable) => return Ok(unreadable.refused()),
    };
    let session = match app.mcp.sessions.of(&call, &caller, &message) {
        Ok(session) => session,
        Err(session::Unknown) => return Ok(told(StatusCode::NOT_FOUND, &no_session(&message))),
    };
    let asked = Arc::new(Asked::new(&call, message.is_stateless, session.clone()));
    let response = speak(&app, &caller, call, asked.clone()).await?;
    let mut response = answered(response).await?;
    match &message.kind {
        Kind::Cancelled(id) if response.status() == StatusCode::ACCEPTED => {
            app.mcp.under_way.cancel(session.as_deref(), id);
        }
        Kind::Initialize if response.status() == StatusCode::OK => {
            let id = app.mcp.sessions.begin(&caller)?;
            response.headers_mut().insert(SESSION_ID, id);
        }
        _ => {}
    }
    if let Some(challenge) = asked.step_up() {
        *response.status_mut() = StatusCode::FORBIDDEN;
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    Ok(response)
}

/// Hands the request to rmcp, with a server that knows this caller and no other.
async fn speak(app: &Arc<App>, caller: &Caller, call: Call, asked: Arc<Asked>) -> Result<Spoken> {
    let server = Server::new(app.clone(), caller.clone(), asked);
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(BODY_BYTES_MAX)
        .disable_allowed_hosts();
    let manager = Arc::new(NeverSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(server.clone()), manager, config);
    let mut request = Request::new(Full::new(call.body));
    *request.method_mut() = call.method;
    *request.headers_mut() = call.headers;
    request.headers_mut().insert(header::HOST, HOST);
    // Who asks is known by now, and nothing beyond needs the proof.
    request.headers_mut().remove(header::AUTHORIZATION);
    Ok(service.handle(request).await)
}

/// The answer of rmcp as one of ours: whole, or as a stream that ends with its call.
async fn answered(response: Spoken) -> Result<Response> {
    let (parts, body) = response.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE);
    let body = match kind.is_some_and(|it| it.as_bytes().starts_with(EVENTS.as_bytes())) {
        true => warp::reply::stream(BodyDataStream::new(body)).into_response().into_body(),
        false => {
            let whole = body.collect().await.map_err(anyhow::Error::from)?;
            whole.to_bytes().into()
        }
    };
    Ok(Response::from_parts(parts, body))
}

/// A JSON-RPC error with a status of HTTP.
fn told(status: StatusCode, error: &JsonRpcError) -> Response {
    warp::reply::with_status(json(error), status).into_response()
}

fn no_session(message: &Message) -> JsonRpcError {
    let said = "this session is not one of yours: begin again with `initialize`";
    JsonRpcError::new(message.id().cloned(), ErrorData::invalid_request(said, None))
}

/// What a request that cannot be read is told.
pub struct Unreadable {
    id: Option<RequestId>,
    error: Box<ErrorData>,
}

impl Unreadable {
    fn refused(self) -> Response {
        told(StatusCode::BAD_REQUEST, &JsonRpcError::new(self.id, *self.error))
    }
}

impl From<ErrorData> for Unreadable {
    fn from(error: ErrorData) -> Unreadable {
        Unreadable { id: None, error: Box::new(error) }
    }
}

/// A value for a header; what is made here always fits one.
fn header_value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| Error::internal("a value does not fit its header"))
}
