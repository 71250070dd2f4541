//! Streamable HTTP: each request is a POST, answered by JSON or by a stream that ends with the
//! answer. Since 2026-07-28 a request says all there is to know about its client; before, a session
//! was opened first.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rmcp::model::{ClientCapabilities, Implementation, ProtocolVersion, RequestId};
use rmcp::model::{JsonObject, RequestMetaObject};
use rmcp::transport::common::http_header::{
    HEADER_LAST_EVENT_ID, HEADER_MCP_PROTOCOL_VERSION, HEADER_SESSION_ID,
};
use serde_json::Value;

use super::events::Events;
use super::failure::Failure;
use super::headers;
use super::line::{Line, is_json, is_stream};
use super::message::{self, Received};
use super::session::{Aside, Meaning, Question, cancelled};
use super::target::{Dialect, Transport};
use crate::net::outbound::Incoming;

/// How often a stream that ended early is taken up again.
const RESUMPTIONS_MAX: u32 = 8;
const META: &str = "_meta";

pub(super) struct Streamable<'a> {
    line: &'a Line<'a>,
    /// None until the server has agreed to one in `initialize`.
    protocol: Option<ProtocolVersion>,
    session: Option<HeaderValue>,
    last_id: i64,
}

/// Who asks.
pub(super) fn client_info() -> Implementation {
    Implementation::new("gatewright", env!("CARGO_PKG_VERSION"))
}

impl<'a> Streamable<'a> {
    /// A conversation of self-contained requests.
    pub fn stateless(line: &'a Line<'a>) -> Streamable<'a> {
        let protocol = Some(ProtocolVersion::V_2026_07_28);
        Streamable { line, protocol, session: None, last_id: 0 }
    }

    /// A conversation that begins with `initialize`.
    pub fn uninitialized(line: &'a Line<'a>) -> Streamable<'a> {
        Streamable { line, protocol: None, session: None, last_id: 0 }
    }

    /// From now on the agreed protocol is spoken.
    pub async fn agree(&mut self, protocol: ProtocolVersion) -> Result<(), Failure> {
        self.protocol = Some(protocol);
        let body =
            message::notification("notifications/initialized", Value::Object(JsonObject::new()))?;
        let incoming = self.open(Method::POST, self.headers(None)?, body).await?;
        match incoming.status {
            status if status.is_success() => Ok(()),
            status => Err(Failure::Status { status }),
        }
    }

    pub async fn ask(
        &mut self,
        question: &Question<'_>,
        aside: &mut Aside<'_>,
    ) -> Result<Value, Failure> {
        self.last_id += 1;
        let id = RequestId::Number(self.last_id);
        let body = message::request(&id, question.method, Value::Object(self.params(question)))?;
        let incoming = self.open(Method::POST, self.headers(Some(question))?, body).await?;
        // `initialize` opens the session that all later requests name.
        if self.protocol.is_none() {
            self.session = incoming.headers.get(HEADER_SESSION_ID).cloned();
        }
        if incoming.status.is_success() && is_stream(&incoming) {
            self.listen(&id, incoming, aside).await
        } else {
            self.read(&id, incoming).await
        }
    }

    /// Closing the stream says it in the newer protocol; the older wants to be told.
    pub async fn cancel(&self) {
        if self.is_stateless() {
            return;
        }
        let params = cancelled(&RequestId::Number(self.last_id));
        if let Ok(body) = message::notification("notifications/cancelled", params) {
            self.tell(Method::POST, body).await;
        }
    }

    pub async fn close(self) {
        if self.session.is_some() {
            self.tell(Method::DELETE, Bytes::new()).await;
        }
    }

    pub fn dialect(&self) -> Dialect {
        let protocol = self.protocol.clone().unwrap_or(ProtocolVersion::LATEST_WITH_INITIALIZE);
        Dialect { transport: Transport::StreamableHttp, protocol }
    }

    fn is_stateless(&self) -> bool {
        self.protocol.as_ref().is_some_and(|it| !it.has_initialize())
    }

    async fn open(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Incoming, Failure> {
        self.line.open(method, self.line.target.url.clone(), headers, body).await
    }

    async fn tell(&self, method: Method, body: Bytes) {
        if let Ok(headers) = self.headers(None) {
            self.line.tell(method, self.line.target.url.clone(), headers, body).await;
        }
    }

    fn headers(&self, question: Option<&Question<'_>>) -> Result<HeaderMap, Failure> {
        let unfit = Failure::Protocol("a name or argument does not fit into a header");
        let mut all = match question {
            Some(it) if self.is_stateless() => {
                headers::routing(it.method, it.name, &it.marked).ok_or(unfit)?
            }
            _ => HeaderMap::new(),
        };
        if let Some(it) = self.protocol.as_ref().and_then(|it| it.as_str().parse().ok()) {
            all.insert(own(HEADER_MCP_PROTOCOL_VERSION)?, it);
        }
        if let Some(it) = &self.session {
            all.insert(own(HEADER_SESSION_ID)?, it.clone());
        }
        Ok(all)
    }

    fn params(&self, question: &Question<'_>) -> JsonObject {
        let mut params = question.params.clone();
        if let (true, Some(protocol)) = (self.is_stateless(), self.protocol.clone()) {
            let capabilities = ClientCapabilities::default();
            let own = RequestMetaObject::with_client_context(protocol, client_info(), capabilities);
            if let Value::Object(meta) =
                params.entry(META).or_insert_with(|| Value::Object(JsonObject::new()))
            {
                meta.extend(own.0.0);
            }
        }
        params
    }

    /// The answer in a body of its own. What comes with an error status need not name its request:
    /// whoever refused may not have read that far.
    async fn read(&self, id: &RequestId, incoming: Incoming) -> Result<Value, Failure> {
        let status = incoming.status;
        match (status.is_success(), is_json(&incoming)) {
            (true, true) => {
                let answer = self.line.whole(incoming).await?;
                match message::read(&answer.body)? {
                    Received::Answer { id: Some(of), outcome } if of == *id => {
                        outcome.map_err(Failure::Rpc)
                    }
                    Received::Answer { id: None, outcome: Err(error) } => Err(Failure::Rpc(error)),
                    _ => Err(Failure::Protocol("what comes is no answer to the request")),
                }
            }
            (true, false) => Err(Failure::Protocol("an answer is neither JSON nor a stream")),
            (false, true) => {
                let answer = self.line.whole(incoming).await?;
                match message::read(&answer.body) {
                    Ok(Received::Answer { outcome: Err(error), .. }) => Err(Failure::Rpc(error)),
                    _ => Err(Failure::Status { status }),
                }
            }
            (false, false) => Err(Failure::Status { status }),
        }
    }

    /// Reads a stream until the answer comes, and takes it up again where it ended too early.
    async fn listen(
        &self,
        id: &RequestId,
        incoming: Incoming,
        aside: &mut Aside<'_>,
    ) -> Result<Value, Failure> {
        let mut events = Events::new(incoming);
        for _ in 0..=RESUMPTIONS_MAX {
            while let Some(event) = events.next(self.line).await? {
                match aside.read(id, event.data.as_deref().unwrap_or_default())? {
                    Meaning::Answer(it) => return Ok(it),
                    Meaning::Reply(it) if !self.is_stateless() => self.tell(Method::POST, it).await,
                    Meaning::Reply(_) | Meaning::Nothing => {}
                }
            }
            events = self.resumed(events).await?;
        }
        Err(ENDS_EARLY)
    }

    async fn resumed(&self, events: Events) -> Result<Events, Failure> {
        let from = events.last_id.as_ref().and_then(|it| HeaderValue::from_str(it).ok());
        let (Some(from), false) = (from, self.is_stateless()) else { return Err(ENDS_EARLY) };
        tokio::time::sleep(events.retry_after).await;
        let mut headers = self.headers(None)?;
        headers.insert(own(HEADER_LAST_EVENT_ID)?, from);
        let incoming = self.open(Method::GET, headers, Bytes::new()).await?;
        if incoming.status.is_success() && is_stream(&incoming) {
            Ok(Events::new(incoming))
        } else {
            Err(ENDS_EARLY)
        }
    }
}

const ENDS_EARLY: Failure = Failure::Protocol("a stream ends without the answer");

fn own(name: &'static str) -> Result<HeaderName, Failure> {
    HeaderName::try_from(name).map_err(|_| Failure::Protocol("a header has no name"))
}
