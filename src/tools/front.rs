//! The front of a tool server: whoever wants a tool called shows a credential for it here.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Empty, Full, LengthLimitError, Limited};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tower_service::Service;
use uuid::Uuid;

use super::gateway::Gateway;
use super::mcp::{Admitted, Server};
use super::message::Message;
use super::refused::{Refused, Reply};
use super::shown::Shown;
use crate::net::Peer;
use crate::net::body::{BoxError, Late};
use crate::net::host::{Hosts, Origins};

const BODY_BYTES_MAX: usize = 256 * 1024;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

type Mcp = StreamableHttpService<Server, NeverSessionManager>;

#[derive(Clone)]
pub(super) struct Front(Arc<Inner>);

struct Inner {
    mcp: Mcp,
    server: Server,
    gateway: Arc<Gateway>,
    hosts: Hosts,
    origins: Origins,
}

impl Front {
    pub(super) fn new(
        server: Server,
        gateway: Arc<Gateway>,
        hosts: Hosts,
        origins: Origins,
    ) -> Front {
        // Every request stands for itself, in both eras. Names and origins are looked at here.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(BODY_BYTES_MAX)
            .disable_allowed_hosts();
        let each = server.clone();
        let mcp = Mcp::new(move || Ok(each.clone()), Arc::default(), config);
        Front(Arc::new(Inner { mcp, server, gateway, hosts, origins }))
    }
}

impl<B> Service<Request<B>> for Front
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move {
            let id = inner.server.clock.new_id();
            let mut reply = match inner.serve(request, id).await {
                Ok(reply) => reply,
                Err(refused) => inner.refuse(&refused, id),
            };
            if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
                reply.headers_mut().insert(REQUEST_ID, id);
            }
            Ok(reply)
        })
    }
}

impl Inner {
    async fn serve<B>(&self, request: Request<B>, id: Uuid) -> Result<Reply, Refused>
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let (parts, body) = request.into_parts();
        if !self.hosts.allows(&parts.uri, &parts.headers) {
            return Err(Refused::WrongHost);
        }
        if !self.origins.trusts(&parts.uri, &parts.headers) {
            return Err(Refused::WrongOrigin);
        }
        match parts.uri.path() {
            "/mcp" => self.mcp(parts, read(body).await?, id).await,
            "/livez" => Ok(bare(StatusCode::OK)),
            "/readyz" if self.gateway.is_known() => Ok(bare(StatusCode::OK)),
            "/readyz" => Err(Refused::NoKeys),
            _ => Err(Refused::NotFound),
        }
    }

    async fn mcp(&self, mut parts: Parts, body: Bytes, id: Uuid) -> Result<Reply, Refused> {
        let bytes = match Message::read(body) {
            Message::Call { call, bytes } if self.offers(&call.tool) => {
                let shown = Shown::by(&parts).ok_or(Refused::NoCredential)?;
                let verified = self.gateway.admit(&shown, &call, caller(&parts))?;
                tracing::info!(
                    request = %id,
                    tool = call.tool,
                    agent = verified.agent,
                    on_behalf_of = verified.on_behalf_of,
                    credential = verified.credential_id,
                    decision = verified.decision_id,
                    "admitted"
                );
                parts.extensions.insert(Admitted(call));
                bytes
            }
            Message::Call { bytes, .. } | Message::Other(bytes) => bytes,
        };
        // The body that goes on may be of another length than the one that came.
        parts.headers.remove(http::header::CONTENT_LENGTH);
        Ok(self.mcp.handle(Request::from_parts(parts, Full::new(bytes))).await)
    }

    fn offers(&self, tool: &str) -> bool {
        self.server.provider.tools().iter().any(|it| it.name == tool)
    }

    fn refuse(&self, refused: &Refused, id: Uuid) -> Reply {
        let credential = match refused {
            Refused::Credential(it) => it.credential_id.as_deref(),
            _ => None,
        };
        tracing::info!(request = %id, reason = refused.code(), credential, detail = %refused, "refused");
        let terms = &self.gateway.terms;
        refused.reply(&terms.name, &terms.scopes, id)
    }
}

/// The whole body, if it is small enough and comes in time.
async fn read<B>(body: B) -> Result<Bytes, Refused>
where
    B: Body<Error: Into<BoxError>>,
{
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Refused::TooLarge(BODY_BYTES_MAX)
        } else if Late::caused(&*error) {
            Refused::Late
        } else {
            Refused::BrokenOff
        }
    })?;
    Ok(body.to_bytes())
}

/// Where the call comes from; nowhere in particular when the listener did not say.
fn caller(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<Peer>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |it| it.addr.ip().to_canonical())
}

fn bare(status: StatusCode) -> Reply {
    let mut reply = Response::new(Empty::new().boxed());
    *reply.status_mut() = status;
    reply
}
