//! Everything that can stop a request, and the one answer each of them gets (RFC 9457).

use std::borrow::Cow;

use secrecy::SecretString;
use serde::Serialize;
use uuid::Uuid;

use crate::approvals::access_request;
use crate::authn::NotHolder;
use crate::authn::factors::Means;
use crate::authn::proofs::BadAssertion;
use crate::authn::risk::{Rating, Reason};
use crate::authz::facts::Risk;
use crate::credentials::verify::Reason as Refused;
use crate::gateway::Failure;
use crate::store;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// Who is asking was not proven.
    #[error(transparent)]
    Unauthenticated(Unproven),
    /// The first proof was good; policy asks for a second factor.
    #[error("prove your second factor: send `otp`, a code of your app or a recovery code")]
    SecondFactor(Box<Challenge>),
    /// The credential that was shown is good, and does not admit this.
    #[error("the credential does not admit it: {detail}")]
    NotAdmitted { reason: Refused, detail: String },
    #[error("the policies do not allow it")]
    Denied(Box<Denial>),
    /// Denied to a sign-in that is rated too risky.
    #[error("this sign-in is rated too risky")]
    RiskBlocked(Box<Denial>, Rating),
    /// Denied for no other reason than that a quota is used up: waiting helps.
    #[error("a quota is used up")]
    QuotaExceeded(Box<Denial>),
    /// Absent, or not for this caller to know of.
    #[error("there is no such thing, or you may not see it")]
    NotFound,
    #[error("this path answers {allow} only")]
    MethodNotAllowed { allow: String },
    #[error("the request took too long to arrive")]
    RequestTimeout,
    #[error("{0}")]
    Conflict(Cow<'static, str>),
    #[error("it was changed since you read it; read it again and send its new `ETag`")]
    PreconditionFailed,
    #[error("the body is larger than {max_bytes} bytes")]
    TooLarge { max_bytes: usize },
    #[error("send the body as `{expected}`")]
    UnsupportedMediaType { expected: &'static str },
    #[error("this name is not one that the server answers to")]
    WrongHost,
    #[error(
        "pages of this origin may not ask; an administrator can add it to `cors.allowed_origins`"
    )]
    WrongOrigin,
    /// Well-formed and not acceptable: every fault at once.
    #[error("{} of the request's fields cannot be accepted", .0.len())]
    Invalid(Vec<FieldFault>),
    /// The server that a tool is on does not do what such a server must.
    #[error("{0}")]
    ProbeFailed(String),
    #[error("too many attempts; wait {retry_after_seconds} s")]
    TooMany { retry_after_seconds: u64 },
    /// Something the decision or the effect needs is down. Never a pass.
    #[error("{what} is not available; try again shortly")]
    Unavailable { what: &'static str },
    /// A tool was called and gave no result.
    #[error(transparent)]
    Upstream(Box<Failure>),
    /// A call was begun and nobody knows how it ended.
    #[error(
        "this call was begun, and whether it was done is unknown; look before you call again with a new `Idempotency-Key`"
    )]
    OutcomeUnknown,
    /// A request at the access-request endpoint that its profile has words for.
    #[error("{}", .0.detail())]
    AccessRequest(access_request::Fault),
    /// A bug. The caller is told the request's id and nothing else.
    #[error("internal error")]
    Internal(#[source] anyhow::Error),
}

/// What the proof of who is asking lacked: says what to do, never what was wrong with a secret.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unproven {
    #[error("send an access token as `Authorization: Bearer …`")]
    NoToken,
    #[error("the access token is not valid any more; sign in again")]
    BadToken,
    #[error("the credential does not hold ({0}); ask for another")]
    Credential(Refused),
    #[error("the refresh token is not valid any more; sign in again")]
    BadRefreshToken,
    #[error("the name or the secret is wrong")]
    BadSecret,
    #[error("the code is not valid, or not for this client, address and verifier; begin again")]
    BadGrant,
    #[error("this sign-in waits no longer for a second factor; sign in again")]
    BadMfaToken,
    #[error("the issuer's word is not taken; begin again, or ask an administrator")]
    Distrusted,
    #[error("nobody here goes by this account; ask an administrator to let you in")]
    UnknownPerson,
    #[error("the second factor is wrong, or was used before; try the next code")]
    BadFactor,
    #[error(transparent)]
    Assertion(BadAssertion),
    #[error(transparent)]
    NotHolder(NotHolder),
}

/// What a sign-in that lacks its second factor is told.
#[derive(Debug)]
pub struct Challenge {
    /// Goes on where the sign-in stopped; none where the same request may be sent again with a code.
    pub token: Option<SecretString>,
    pub risk: Risk,
    /// Why the sign-in is rated so.
    pub risk_reasons: Vec<Reason>,
    /// What the factor can be proven with.
    pub means: Vec<Means>,
}

/// What a denied caller is told: only what it may see.
#[derive(Debug)]
pub struct Denial {
    pub decision_id: Uuid,
    pub reasons: Vec<String>,
    /// The titles of the policies that decided.
    pub detail: String,
    pub fixes: Vec<Fix>,
}

/// Something that would turn the denial into an allow, confirmed by asking Cedar again.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Fix {
    /// `mfa`, `reauth`, `approval`, `confirm`, `scopes`, `ttl`, `wait`, `time`, `network`,
    /// `mandate`, `review`, `probe`, `argument` or `history`.
    pub kind: String,
    pub detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// Which argument of the call, by JSON pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// What to use: the seconds of a `ttl`, the number of an `argument`, the name of a `network`, the
    /// instant of a `time` or `wait`; of `scopes`, those that the `token` must hold besides and those
    /// to `ask` for; what a `mandate` must hold; of `history`, the `fact` and what it must be
    /// `at_least`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// The scopes that the access token lacks, for the challenge that names them.
    #[serde(skip)]
    pub token_scopes: Vec<String>,
}

/// One field that cannot be accepted, by JSON pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct FieldFault {
    pub pointer: String,
    pub detail: String,
}

impl Error {
    pub fn internal(what: &'static str) -> Error {
        Error::Internal(anyhow::Error::msg(what))
    }

    /// A single field fault.
    pub fn field(pointer: &str, detail: impl Into<String>) -> Error {
        Error::Invalid(vec![FieldFault { pointer: pointer.into(), detail: detail.into() }])
    }

    /// Refuses with every fault there is, at once.
    pub fn check(faults: impl IntoIterator<Item = Option<FieldFault>>) -> Result<()> {
        let faults: Vec<FieldFault> = faults.into_iter().flatten().collect();
        if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
    }

    pub fn status(&self) -> u16 {
        match self {
            Error::Malformed(_) => 400,
            Error::Unauthenticated(_) | Error::SecondFactor(_) => 401,
            Error::Denied(_)
            | Error::NotAdmitted { .. }
            | Error::RiskBlocked(..)
            | Error::WrongOrigin => 403,
            Error::NotFound => 404,
            Error::MethodNotAllowed { .. } => 405,
            Error::RequestTimeout => 408,
            Error::Conflict(_) | Error::OutcomeUnknown => 409,
            Error::AccessRequest(it) => it.status(),
            Error::PreconditionFailed => 412,
            Error::TooLarge { .. } => 413,
            Error::UnsupportedMediaType { .. } => 415,
            Error::WrongHost => 421,
            Error::Invalid(_) | Error::ProbeFailed(_) => 422,
            Error::QuotaExceeded(_) | Error::TooMany { .. } => 429,
            Error::Internal(_) => 500,
            Error::Upstream(it) => it.kind.status().as_u16(),
            Error::Unavailable { .. } => 503,
        }
    }

    /// The `code` of the problem document, also a metric label.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Malformed(_) => "malformed",
            Error::Unauthenticated(_) => "unauthenticated",
            Error::SecondFactor(_) => "mfa_required",
            Error::Denied(_) => "denied",
            Error::NotAdmitted { .. } => "not_admitted",
            Error::RiskBlocked(..) => "risk_blocked",
            Error::QuotaExceeded(_) => "quota_exceeded",
            Error::NotFound => "not_found",
            Error::MethodNotAllowed { .. } => "method_not_allowed",
            Error::RequestTimeout => "request_timeout",
            Error::Conflict(_) => "conflict",
            Error::PreconditionFailed => "precondition_failed",
            Error::TooLarge { .. } => "too_large",
            Error::UnsupportedMediaType { .. } => "unsupported_media_type",
            Error::WrongHost => "wrong_host",
            Error::WrongOrigin => "wrong_origin",
            Error::Invalid(_) => "invalid",
            Error::ProbeFailed(_) => "probe_failed",
            Error::TooMany { .. } => "too_many",
            Error::Upstream(it) => it.kind.code(),
            Error::OutcomeUnknown => "outcome_unknown",
            Error::AccessRequest(it) => it.code(),
            Error::Internal(_) => "internal",
            Error::Unavailable { .. } => "unavailable",
        }
    }

    pub fn title(&self) -> &'static str {
        match self {
            Error::Malformed(_) => "The request cannot be read",
            Error::Unauthenticated(_) => "Authentication is needed",
            Error::SecondFactor(_) => "A second factor is needed",
            Error::Denied(_) => "Denied by policy",
            Error::NotAdmitted { .. } => "The credential is not for this",
            Error::RiskBlocked(..) => "The sign-in is too risky",
            Error::QuotaExceeded(_) => "A quota is used up",
            Error::NotFound => "Not found",
            Error::MethodNotAllowed { .. } => "The method does not fit the path",
            Error::RequestTimeout => "The request arrived too slowly",
            Error::Conflict(_) => "Conflict",
            Error::PreconditionFailed => "It was changed in the meantime",
            Error::TooLarge { .. } => "The body is too large",
            Error::UnsupportedMediaType { .. } => "The body is of the wrong type",
            Error::WrongHost => "Wrong host",
            Error::WrongOrigin => "Wrong origin",
            Error::Invalid(_) => "The request is not acceptable",
            Error::ProbeFailed(_) => "The server cannot be used",
            Error::TooMany { .. } => "Too many attempts",
            Error::Upstream(_) => "The tool gave no result",
            Error::OutcomeUnknown => "The outcome is unknown",
            Error::AccessRequest(_) => "The request for access is not acceptable",
            Error::Internal(_) => "Internal error",
            Error::Unavailable { .. } => "Something that is needed is down",
        }
    }
}

impl From<Unproven> for Error {
    fn from(it: Unproven) -> Error {
        Error::Unauthenticated(it)
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Error {
        match error {
            store::Error::Conflict => {
                Error::Conflict("another change came first, or the name is taken".into())
            }
            store::Error::Column { .. } | store::Error::Damaged(_) => Error::Internal(error.into()),
            other => {
                // A group's own failure was logged where it happened.
                if !matches!(other, store::Error::Group) {
                    tracing::error!(error = &other as &dyn std::error::Error, "the store failed");
                }
                Error::Unavailable { what: "the store" }
            }
        }
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Error {
        Error::Internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::FailureKind;

    #[test]
    fn every_error_has_its_status_and_code() {
        let denial = || {
            Box::new(Denial {
                decision_id: Uuid::nil(),
                reasons: vec![],
                detail: String::new(),
                fixes: vec![],
            })
        };
        let waiting = Challenge {
            token: None,
            risk: Risk::Medium,
            risk_reasons: vec![Reason::NewAddress],
            means: Vec::new(),
        };
        let blocked = Rating { risk: Risk::High, reasons: vec![Reason::BlockedNetwork] };
        let table = [
            (Error::Malformed(String::new()), 400, "malformed"),
            (Error::Unauthenticated(Unproven::NoToken), 401, "unauthenticated"),
            (Error::SecondFactor(Box::new(waiting)), 401, "mfa_required"),
            (Error::Denied(denial()), 403, "denied"),
            (
                Error::NotAdmitted { reason: Refused::Scope, detail: String::new() },
                403,
                "not_admitted",
            ),
            (Error::RiskBlocked(denial(), blocked), 403, "risk_blocked"),
            (Error::QuotaExceeded(denial()), 429, "quota_exceeded"),
            (Error::NotFound, 404, "not_found"),
            (Error::MethodNotAllowed { allow: "GET".into() }, 405, "method_not_allowed"),
            (Error::RequestTimeout, 408, "request_timeout"),
            (Error::Conflict("".into()), 409, "conflict"),
            (Error::PreconditionFailed, 412, "precondition_failed"),
            (Error::TooLarge { max_bytes: 1 }, 413, "too_large"),
            (Error::UnsupportedMediaType { expected: "" }, 415, "unsupported_media_type"),
            (Error::WrongHost, 421, "wrong_host"),
            (Error::WrongOrigin, 403, "wrong_origin"),
            (Error::Invalid(vec![]), 422, "invalid"),
            (Error::ProbeFailed(String::new()), 422, "probe_failed"),
            (Error::TooMany { retry_after_seconds: 1 }, 429, "too_many"),
            (
                Error::Upstream(Box::new(Failure::new(FailureKind::TimedOut, ""))),
                504,
                "upstream_timeout",
            ),
            (Error::OutcomeUnknown, 409, "outcome_unknown"),
            (Error::AccessRequest(access_request::Fault::UnknownTask), 404, "unknown_task"),
            (Error::internal(""), 500, "internal"),
            (Error::Unavailable { what: "" }, 503, "unavailable"),
        ];
        for (error, status, code) in table {
            assert_eq!((error.status(), error.code()), (status, code), "{error}");
        }
    }
}
