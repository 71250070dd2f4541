//! A conversation with one server, whichever transport carries it.

use bytes::Bytes;
use rmcp::model::{ProgressNotificationParam, ProgressToken, RequestId};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::failure::Failure;
use super::message::{self, Received};
use super::sse::Sse;
use super::streamable::Streamable;
use super::target::Dialect;

/// How many questions of the server are answered while it owes an answer itself.
const REPLIES_MAX: u32 = 16;

pub(super) enum Session<'a> {
    Streamable(Streamable<'a>),
    Sse(Sse<'a>),
}

/// What is asked of a server.
pub(super) struct Question<'a> {
    pub method: &'static str,
    pub params: Map<String, Value>,
    /// The tool that it names.
    pub name: Option<&'a str>,
    /// Arguments that go into headers, by the names that the tool's schema gives these.
    pub marked: Vec<(String, String)>,
}

impl Question<'_> {
    pub fn new(method: &'static str, params: Map<String, Value>) -> Question<'static> {
        Question { method, params, name: None, marked: Vec::new() }
    }
}

impl Session<'_> {
    /// Asks, and waits for the very answer to it.
    pub async fn ask(
        &mut self,
        question: &Question<'_>,
        aside: &mut Aside,
    ) -> Result<Value, Failure> {
        match self {
            Session::Streamable(it) => it.ask(question, aside).await,
            Session::Sse(it) => it.ask(question, aside).await,
        }
    }

    /// Tells the server that nobody waits for the answer to the last question any more.
    pub async fn cancel(&mut self) {
        match self {
            Session::Streamable(it) => it.cancel().await,
            Session::Sse(it) => it.cancel().await,
        }
    }

    /// Tells the server that the conversation is over, if it keeps one.
    pub async fn close(self) {
        match self {
            Session::Streamable(it) => it.close().await,
            // Its stream is closed, and that is all there is.
            Session::Sse(_) => {}
        }
    }

    pub fn dialect(&self) -> Dialect {
        match self {
            Session::Streamable(it) => it.dialect(),
            Session::Sse(it) => it.dialect(),
        }
    }
}

/// What a server says while its answer is awaited.
pub(super) struct Aside {
    progress: Option<(ProgressToken, mpsc::Sender<ProgressNotificationParam>)>,
    replies_left: u32,
}

/// What a message means to whoever waits for an answer.
pub(super) enum Meaning {
    Answer(Value),
    /// The server has to be told this before it goes on.
    Reply(Bytes),
    Nothing,
}

impl Aside {
    pub fn new(
        progress: Option<(ProgressToken, mpsc::Sender<ProgressNotificationParam>)>,
    ) -> Aside {
        Aside { progress, replies_left: REPLIES_MAX }
    }

    /// Reads a message that came on a stream while the answer to `id` is awaited.
    pub fn read(&mut self, id: &RequestId, text: &str) -> Result<Meaning, Failure> {
        match message::read(text.as_bytes())? {
            Received::Answer { id: Some(of), outcome } if of == *id => {
                outcome.map(Meaning::Answer).map_err(Failure::Rpc)
            }
            Received::Answer { .. } => Ok(Meaning::Nothing),
            Received::Asked { id, method } => {
                let left = self.replies_left.checked_sub(1);
                self.replies_left =
                    left.ok_or(Failure::Protocol("it asks more than it answers"))?;
                message::reply(&id, &method).map(Meaning::Reply)
            }
            Received::Told { method, params } => {
                self.hear(&method, params);
                Ok(Meaning::Nothing)
            }
        }
    }

    /// Passes progress on; what nobody takes in time is dropped, since the next report replaces it.
    fn hear(&self, method: &str, params: Value) {
        let Some((token, sink)) = &self.progress else { return };
        if method != "notifications/progress" {
            return;
        }
        if let Ok(it) = serde_json::from_value::<ProgressNotificationParam>(params)
            && it.progress_token == *token
        {
            // Full or gone: either way nobody waits for this report.
            let _ = sink.try_send(it);
        }
    }
}

/// The parameters of the notification that cancels a request.
pub(super) fn cancelled(id: &RequestId) -> Value {
    json!({ "requestId": id, "reason": "nobody waits for the answer any more" })
}
