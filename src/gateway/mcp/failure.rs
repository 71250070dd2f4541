//! Why talking to an MCP server came to nothing.

use std::time::Duration;

use http::StatusCode;
use rmcp::model::ErrorData;

use crate::net::outbound;

/// What went wrong, in words for whoever runs the tool. Only [`Failure::Rpc`] says anything that the
/// server said.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Unreachable(outbound::Failure),
    #[error("the server does not answer within {time_max:?}")]
    TimedOut { time_max: Duration },
    #[error("the server answers with more than {bytes_max} bytes")]
    TooLarge { bytes_max: usize },
    #[error("the call was cancelled")]
    Cancelled,
    /// The server wants credentials, or others than it got.
    #[error("the server answers {status}: it asks for credentials that are missing or do not fit")]
    Unauthorized {
        status: StatusCode,
        /// Where the server says how to get them (RFC 9728 section 5.1).
        resource_metadata: Option<String>,
    },
    #[error("the server answers {status}, and not as MCP does; redirects are not followed")]
    Status { status: StatusCode },
    #[error("the server does not speak MCP as it should: {0}")]
    Protocol(&'static str),
    #[error("the server refuses with error {}: {}", .0.code.0, .0.message)]
    Rpc(ErrorData),
}

impl Failure {
    /// Whether it is certain that the server never got the request.
    pub fn is_unsent(&self) -> bool {
        matches!(self, Failure::Unreachable(it) if it.is_unsent())
    }

    /// Whether the server was there and ended the connection without an answer.
    pub fn is_hung_up(&self) -> bool {
        matches!(self, Failure::Unreachable(it) if !it.is_unsent())
    }

    /// The kind, as a label and in records.
    pub fn code(&self) -> &'static str {
        match self {
            Failure::Unreachable(_) => "unreachable",
            Failure::TimedOut { .. } => "timed_out",
            Failure::TooLarge { .. } => "too_large",
            Failure::Cancelled => "cancelled",
            Failure::Unauthorized { .. } => "unauthorized",
            Failure::Status { .. } => "status",
            Failure::Protocol(_) => "protocol",
            Failure::Rpc(_) => "rpc",
        }
    }
}
