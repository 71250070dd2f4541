//! An answer whose body is still to come.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use url::Url;

use super::answer::Answer;
use super::failure::Failure;

/// The head of an answer, whatever its status. The time that its ask allowed runs on.
#[derive(Debug)]
pub struct Incoming {
    pub url: Url,
    pub status: StatusCode,
    pub headers: HeaderMap,
    host: String,
    response: reqwest::Response,
    time_max: Duration,
    bytes_max: usize,
    bytes_read: usize,
}

impl Incoming {
    pub(super) fn new(
        url: Url,
        host: String,
        mut response: reqwest::Response,
        time_max: Duration,
        bytes_max: usize,
    ) -> Incoming {
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        Incoming { url, status, headers, host, response, time_max, bytes_max, bytes_read: 0 }
    }

    /// The next part of the body; none at its end.
    ///
    /// # Errors
    /// The body breaks off, or is larger or later than the ask allowed.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        let read = self.response.chunk().await;
        let chunk = read.map_err(|it| Failure::of(self.host.clone(), self.time_max, it))?;
        self.bytes_read += chunk.as_ref().map_or(0, Bytes::len);
        if self.bytes_read > self.bytes_max {
            return Err(Failure::TooLarge { host: self.host.clone(), bytes_max: self.bytes_max });
        }
        Ok(chunk)
    }

    /// The answer with its whole body.
    ///
    /// # Errors
    /// Those of [`Incoming::chunk`].
    pub async fn whole(mut self) -> Result<Answer, Failure> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        let Incoming { url, status, headers, .. } = self;
        Ok(Answer { url, status, headers, body: body.freeze() })
    }
}
