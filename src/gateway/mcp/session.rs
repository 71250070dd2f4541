//! A conversation with one server, whichever transport carries it.

use bytes::Bytes;
use rmcp::model::{ProgressNotificationParam, ProgressToken, RequestId};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::failure::Failure;
use super::message::{self, Received};
use super::scrubbed::scrubbed;
use super::sse::Sse;
use super::streamable::Streamable;
use super::target::Dialect;
use crate::secrets::Scrubber;

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
        aside: &mut Aside<'_>,
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
pub(super) struct Aside<'a> {
    progress: Option<Progress<'a>>,
    replies_left: u32,
}

/// Where the server's reports about its progress go.
pub(super) struct Progress<'a> {
    /// What the reports are about, in the caller's words.
    pub token: ProgressToken,
    pub sink: mpsc::Sender<ProgressNotificationParam>,
    /// Knows what the server was shown, and must not come back with a report.
    pub scrubber: Option<&'a Scrubber>,
}

/// What a message means to whoever waits for an answer.
pub(super) enum Meaning {
    Answer(Value),
    /// The server has to be told this before it goes on.
    Reply(Bytes),
    Nothing,
}

impl<'a> Aside<'a> {
    pub fn new(progress: Option<Progress<'a>>) -> Aside<'a> {
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
        let Some(progress) = &self.progress else { return };
        if method != "notifications/progress" {
            return;
        }
        // Full or gone: either way nobody waits for this report.
        let Ok(place) = progress.sink.try_reserve() else { return };
        if let Ok(it) = serde_json::from_value::<ProgressNotificationParam>(params)
            && it.progress_token == progress.token
            && let Some(it) = progress.fit(it)
        {
            place.send(it);
        }
    }
}

impl Progress<'_> {
    /// The report as the caller may have it. The token stays, which is the caller's own.
    fn fit(&self, report: ProgressNotificationParam) -> Option<ProgressNotificationParam> {
        let Some(scrubber) = self.scrubber else { return Some(report) };
        let mut report = scrubbed(&report, scrubber)?;
        report.progress_token = self.token.clone();
        Some(report)
    }
}

/// The parameters of the notification that cancels a request.
pub(super) fn cancelled(id: &RequestId) -> Value {
    json!({ "requestId": id, "reason": "nobody waits for the answer any more" })
}
