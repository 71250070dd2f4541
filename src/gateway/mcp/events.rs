//! A stream of server-sent events, within the bytes that are left.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use sse_stream::{Sse, SseStream};

use super::failure::Failure;
use super::line::Line;
use crate::net::outbound::{self, Incoming};

/// How long a server may ask its client to wait before it takes up a stream again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(2);
const RETRY_AFTER_DEFAULT: Duration = Duration::from_millis(100);

pub(super) struct Events {
    stream: BoxStream<'static, Result<Sse, sse_stream::Error>>,
    /// Where to take the stream up again, if the server said how.
    pub last_id: Option<String>,
    pub retry_after: Duration,
}

impl Events {
    pub fn new(incoming: Incoming) -> Events {
        let chunks = stream::try_unfold(incoming, |mut it| async {
            let chunk: Option<Bytes> = it.chunk().await?;
            Ok::<_, outbound::Failure>(chunk.map(|chunk| (chunk, it)))
        });
        let stream = SseStream::from_bytes_stream(Box::pin(chunks)).boxed();
        Events { stream, last_id: None, retry_after: RETRY_AFTER_DEFAULT }
    }

    /// The next event that has data; none at the end of the stream. Nothing is lost when whoever
    /// waits for it gives up.
    pub async fn next(&mut self, line: &Line<'_>) -> Result<Option<Sse>, Failure> {
        while let Some(event) = self.stream.next().await {
            let event = event.map_err(|it| broken(line, it))?;
            line.budget.spend(event.data.as_ref().map_or(0, String::len))?;
            if let Some(id) = event.id.as_ref().filter(|it| !it.is_empty()) {
                self.last_id = Some(id.clone());
            }
            if let Some(millis) = event.retry {
                self.retry_after = Duration::from_millis(millis).min(RETRY_AFTER_MAX);
            }
            if event.data.as_ref().is_some_and(|it| !it.trim().is_empty()) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}

fn broken(line: &Line<'_>, error: sse_stream::Error) -> Failure {
    let unreadable = Failure::Protocol("a stream of events cannot be read");
    match error {
        sse_stream::Error::Body(inner) => match inner.downcast::<outbound::Failure>() {
            Ok(failure) => line.failed(*failure),
            Err(_) => unreadable,
        },
        _ => unreadable,
    }
}
