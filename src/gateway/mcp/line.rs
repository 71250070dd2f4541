//! The way to one server: what is common to every request of a conversation.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use url::Url;

use super::budget::Budget;
use super::failure::Failure;
use super::headers;
use super::target::Target;
use crate::authz::Warrant;
use crate::net::outbound::{self, Answer, Ask, Incoming, Outbound, media_type};

/// How long it may take to tell a server something, even when the time for the conversation is over.
const TELLING_TIME_MAX: Duration = Duration::from_millis(500);
/// Of an answer that nobody reads for its content.
const TELLING_BYTES_MAX: usize = 64 * 1024;

pub(super) struct Line<'a> {
    pub outbound: &'a Outbound,
    pub warrant: &'a Warrant,
    pub target: &'a Target,
    pub budget: Budget,
}

impl Line<'_> {
    /// Asks, and gives the answer as soon as its head is there, unless it is a refusal for want of
    /// credentials.
    pub async fn open(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Incoming, Failure> {
        let ask = Ask {
            method,
            url,
            reach: self.target.reach,
            headers: self.headers(headers),
            body,
            time_max: self.budget.time_left()?,
            bytes_max: self.budget.bytes_left(),
        };
        let incoming = self.outbound.open(self.warrant, ask).await.map_err(|it| self.failed(it))?;
        match incoming.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Failure::Unauthorized {
                status: incoming.status,
                resource_metadata: resource_metadata(&incoming.headers),
            }),
            _ => Ok(incoming),
        }
    }

    /// The answer with its body, which is taken off the budget.
    pub async fn whole(&self, incoming: Incoming) -> Result<Answer, Failure> {
        let answer = incoming.whole().await.map_err(|it| self.failed(it))?;
        self.budget.spend(answer.body.len())?;
        Ok(answer)
    }

    /// Says something that needs no answer, and goes on whether the server hears it or not.
    pub async fn tell(&self, method: Method, url: Url, headers: HeaderMap, body: Bytes) {
        let ask = Ask {
            method,
            url,
            reach: self.target.reach,
            headers: self.headers(headers),
            body,
            time_max: TELLING_TIME_MAX,
            bytes_max: TELLING_BYTES_MAX,
        };
        if let Err(error) = self.outbound.call(self.warrant, ask).await {
            let error: &dyn std::error::Error = &error;
            tracing::debug!(error, "an MCP server did not hear what it was told");
        }
    }

    /// The same failure in words about the conversation, whose limits it broke.
    pub fn failed(&self, failure: outbound::Failure) -> Failure {
        match failure {
            outbound::Failure::TimedOut { .. } => self.budget.timed_out(),
            outbound::Failure::TooLarge { .. } => self.budget.too_large(),
            other => Failure::Unreachable(other),
        }
    }

    fn headers(&self, own: HeaderMap) -> HeaderMap {
        let mut all = self.target.headers.clone();
        let reserved: Vec<_> = all.keys().filter(|it| headers::is_reserved(it)).cloned().collect();
        for name in reserved {
            all.remove(name);
        }
        all.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        all.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        all.extend(own);
        all
    }
}

/// Whether the body is one message, by its type.
pub(super) fn is_json(incoming: &Incoming) -> bool {
    media_type(&incoming.headers) == "application/json"
}

/// Whether the body is a stream of messages, by its type.
pub(super) fn is_stream(incoming: &Incoming) -> bool {
    media_type(&incoming.headers) == "text/event-stream"
}

/// The URL after `resource_metadata=` in a challenge (RFC 9728 section 5.1), if it is one.
fn resource_metadata(headers: &HeaderMap) -> Option<String> {
    let challenges = headers.get_all(header::WWW_AUTHENTICATE).iter();
    challenges.filter_map(|it| it.to_str().ok()).find_map(|challenge| {
        let (_, rest) = challenge.split_once("resource_metadata=")?;
        let value = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next()?,
            None => rest.split([',', ' ']).next()?,
        };
        Url::parse(value).ok().filter(|it| matches!(it.scheme(), "https" | "http")).map(Into::into)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_may_say_where_to_get_credentials() {
        for (text, expected) in [
            (r#"Bearer resource_metadata="https://a.example/m""#, Some("https://a.example/m")),
            (
                r#"Bearer error="invalid_token", resource_metadata=https://a.example/m, scope=x"#,
                Some("https://a.example/m"),
            ),
            ("Bearer", None),
            (r#"Bearer resource_metadata="/m""#, None),
            (r#"Bearer resource_metadata="javascript:1""#, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::WWW_AUTHENTICATE, text.parse().unwrap());
            assert_eq!(resource_metadata(&headers).as_deref(), expected, "{text}");
        }
    }
}
