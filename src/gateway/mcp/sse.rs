//! HTTP with SSE, the transport of 2024-11-05: a stream to read from names the endpoint to post to.

use std::pin::pin;

use bytes::Bytes;
use http::{HeaderMap, Method};
use rmcp::model::{ProtocolVersion, RequestId};
use serde_json::{Value, json};
use url::Url;

use super::events::Events;
use super::failure::Failure;
use super::line::{Line, is_stream};
use super::message;
use super::session::{Aside, Meaning, Question, cancelled};
use super::target::{Dialect, Transport};

/// How many events may come before the endpoint is named.
const EVENTS_MAX: usize = 16;

pub(super) struct Sse<'a> {
    line: &'a Line<'a>,
    events: Events,
    endpoint: Url,
    protocol: ProtocolVersion,
    last_id: i64,
}

impl<'a> Sse<'a> {
    /// Opens the stream, and waits for the name of the endpoint.
    pub async fn open(line: &'a Line<'a>) -> Result<Sse<'a>, Failure> {
        let url = line.target.url.clone();
        let incoming = line.open(Method::GET, url, HeaderMap::new(), Bytes::new()).await?;
        if !incoming.status.is_success() {
            return Err(Failure::Status { status: incoming.status });
        }
        if !is_stream(&incoming) {
            return Err(Failure::Protocol("what comes is no stream of events"));
        }
        let mut events = Events::new(incoming);
        let endpoint = endpoint(line, &mut events).await?;
        let protocol = ProtocolVersion::V_2024_11_05;
        Ok(Sse { line, events, endpoint, protocol, last_id: 0 })
    }

    /// From now on the agreed protocol is spoken.
    pub async fn agree(&mut self, protocol: ProtocolVersion) -> Result<(), Failure> {
        self.protocol = protocol;
        let body = message::notification("notifications/initialized", json!({}))?;
        post(self.line, &self.endpoint, body).await
    }

    pub async fn ask(
        &mut self,
        question: &Question<'_>,
        aside: &mut Aside<'_>,
    ) -> Result<Value, Failure> {
        self.last_id += 1;
        let id = RequestId::Number(self.last_id);
        let params = Value::Object(question.params.clone());
        let body = message::request(&id, question.method, params)?;
        let Sse { line, events, endpoint, .. } = self;
        // A server may hold its acknowledgement back until the answer is read.
        let mut post = pin!(post(line, endpoint, body));
        let mut posted = false;
        loop {
            let event = tokio::select! {
                it = &mut post, if !posted => {
                    it?;
                    posted = true;
                    continue;
                }
                it = events.next(line) => it?,
            };
            let event = event.ok_or(Failure::Protocol("the stream ends without the answer"))?;
            match aside.read(&id, event.data.as_deref().unwrap_or_default())? {
                Meaning::Answer(it) => return Ok(it),
                Meaning::Reply(it) => {
                    line.tell(Method::POST, endpoint.clone(), HeaderMap::new(), it).await;
                }
                Meaning::Nothing => {}
            }
        }
    }

    pub async fn cancel(&mut self) {
        let params = cancelled(&RequestId::Number(self.last_id));
        if let Ok(body) = message::notification("notifications/cancelled", params) {
            self.line.tell(Method::POST, self.endpoint.clone(), HeaderMap::new(), body).await;
        }
    }

    pub fn dialect(&self) -> Dialect {
        Dialect { transport: Transport::Sse, protocol: self.protocol.clone() }
    }
}

/// Hands a message in. What is answered to it comes on the stream.
async fn post(line: &Line<'_>, endpoint: &Url, body: Bytes) -> Result<(), Failure> {
    let incoming = line.open(Method::POST, endpoint.clone(), HeaderMap::new(), body).await?;
    match incoming.status {
        status if status.is_success() => Ok(()),
        status => Err(Failure::Status { status }),
    }
}

/// The endpoint that the stream names. It gets the very headers that the stream got, so it must be
/// on the same origin.
async fn endpoint(line: &Line<'_>, events: &mut Events) -> Result<Url, Failure> {
    for _ in 0..EVENTS_MAX {
        let Some(event) = events.next(line).await? else { break };
        if event.event.as_deref() != Some("endpoint") {
            continue;
        }
        let named = line.target.url.join(event.data.as_deref().unwrap_or_default().trim());
        return match named {
            Ok(it) if it.origin() == line.target.url.origin() => Ok(it),
            _ => Err(Failure::Protocol("its endpoint is on another origin")),
        };
    }
    Err(Failure::Protocol("its stream names no endpoint"))
}
