//! How a call of a tool can fail, once it was allowed.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::net::outbound;

/// A call that did not end with a result.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct Failure {
    pub kind: FailureKind,
    /// A sentence for the caller: no secret, no address that it did not give.
    pub detail: String,
    /// What the tool said, scrubbed of the secrets that were sent.
    pub said: Option<Value>,
    /// Whether the tool certainly saw nothing of the call.
    pub unsent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Nobody answers, or with something that is no answer.
    Unreachable,
    /// The tool says that it did not do it.
    Refused,
    TimedOut,
    TooLarge,
    /// The caller did not want it any more.
    Cancelled,
    /// What it needs to be called with is not there: a secret, a setting.
    NotReady,
}

impl FailureKind {
    /// The status that the caller is answered with (RFC 9110 sections 15.6.3 and 15.6.5).
    pub fn status(self) -> StatusCode {
        match self {
            FailureKind::Unreachable | FailureKind::Refused | FailureKind::TooLarge => {
                StatusCode::BAD_GATEWAY
            }
            FailureKind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            // Whoever cancelled waits for no answer; a second request of the same key may.
            FailureKind::Cancelled => StatusCode::CONFLICT,
            FailureKind::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The `code` of the problem document.
    pub fn code(self) -> &'static str {
        match self {
            FailureKind::Unreachable => "upstream_unreachable",
            FailureKind::Refused => "upstream_refused",
            FailureKind::TimedOut => "upstream_timeout",
            FailureKind::TooLarge => "upstream_too_large",
            FailureKind::Cancelled => "cancelled",
            FailureKind::NotReady => "upstream_not_ready",
        }
    }
}

impl Failure {
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Failure {
        Failure { kind, detail: detail.into(), said: None, unsent: false }
    }

    /// The label of its metric.
    pub fn outcome(&self) -> &'static str {
        self.kind.code()
    }

    /// The same, for a call of which the tool certainly saw nothing.
    pub fn unsent(kind: FailureKind, detail: impl Into<String>) -> Failure {
        Failure { unsent: true, ..Failure::new(kind, detail) }
    }
}

impl From<outbound::Failure> for Failure {
    /// Of a URL that may hold a secret nothing is told; and where the tool is, is its publisher's business: the caller is told what, not where.
    fn from(it: outbound::Failure) -> Failure {
        use outbound::Failure as Outbound;
        match it {
            Outbound::TimedOut { time_max, .. } => Failure::new(
                FailureKind::TimedOut,
                format!("the tool did not answer within {} s", time_max.as_secs()),
            ),
            Outbound::TooLarge { bytes_max, .. } => Failure::new(
                FailureKind::TooLarge,
                format!("the tool's answer is larger than {bytes_max} bytes"),
            ),
            Outbound::Unfit { .. } => Failure::unsent(
                FailureKind::Unreachable,
                "the tool is at an address that may not be called; tell its owner",
            ),
            Outbound::NoAddress { .. } => Failure::unsent(
                FailureKind::Unreachable,
                "the tool's host has no address that may be called",
            ),
            Outbound::Unreachable { source, .. } => Failure {
                unsent: source.is_connect(),
                ..Failure::new(FailureKind::Unreachable, "the tool cannot be reached")
            },
            // These are ways to read an answer that calls of tools do not use.
            Outbound::Status { .. } | Outbound::NotJson { .. } | Outbound::Unreadable { .. } => {
                Failure::new(FailureKind::Refused, "the tool answered with something unreadable")
            }
        }
    }
}
