//! Why a call to the outside came to nothing.

use std::time::Duration;

use http::StatusCode;

use super::target::Unfit;

/// Says what to mend. Never holds what the other side sent, and tells a stranger no more of a
/// private network than that it cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("`{url}` is not called: {unfit}")]
    Unfit { url: String, unfit: Unfit },
    #[error("`{host}` has no address that may be called")]
    NoAddress { host: String, source: reqwest::Error },
    #[error("`{host}` cannot be reached, or its certificate is not trusted")]
    Unreachable { host: String, source: reqwest::Error },
    #[error("`{host}` does not answer within {time_max:?}")]
    TimedOut { host: String, time_max: Duration },
    #[error("`{host}` answers with more than {bytes_max} bytes")]
    TooLarge { host: String, bytes_max: usize },
    #[error("`{url}` answers {status}, and only 200 will do; redirects are not followed")]
    Status { url: String, status: StatusCode },
    #[error("`{url}` answers with something else than `application/json`")]
    NotJson { url: String },
    #[error("`{url}` does not hold what it should: {detail}")]
    Unreadable { url: String, detail: String },
}

impl Failure {
    /// What a failed call is called. The error is kept without its URL, which may hold a secret.
    pub(super) fn of(host: String, time_max: Duration, error: reqwest::Error) -> Failure {
        let source = error.without_url();
        if source.is_timeout() {
            Failure::TimedOut { host, time_max }
        } else if source.is_dns() {
            Failure::NoAddress { host, source }
        } else {
            Failure::Unreachable { host, source }
        }
    }

    /// Whether it is certain that nobody got the request.
    pub fn is_unsent(&self) -> bool {
        match self {
            Failure::Unfit { .. } | Failure::NoAddress { .. } => true,
            Failure::Unreachable { source, .. } => source.is_connect(),
            _ => false,
        }
    }

    /// The outcome of the call, as a label of its metric.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Failure::Unfit { .. } | Failure::NoAddress { .. } => "refused",
            Failure::Unreachable { .. } => "unreachable",
            Failure::TimedOut { .. } => "timed_out",
            Failure::TooLarge { .. } => "too_large",
            Failure::Status { .. } | Failure::NotJson { .. } | Failure::Unreadable { .. } => {
                "answered"
            }
        }
    }
}
