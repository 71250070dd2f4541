//! Why Vault did not do what it was asked. Holds nothing of what it answered, which may be a secret.

use rustify::errors::ClientError as RestError;
use vaultrs::error::ClientError;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    #[error("does not answer in time")]
    TimedOut,
    #[error("is sealed")]
    Sealed,
    #[error("is not initialized")]
    Uninitialized,
    /// The token is not good, or not good for this.
    #[error("refuses the token, or its policies do not allow it")]
    Refused,
    #[error("has nothing there")]
    Absent,
    #[error("answers {0}")]
    Status(u16),
    #[error("answers with something else than it should")]
    Unreadable,
    #[error("does not let Gatewright in: {0}")]
    NotSignedIn(String),
    #[error("gives no lease there: only paths of dynamic engines can be leased")]
    NotLeased,
}

impl Failure {
    /// What anybody may be told.
    pub fn brief(&self) -> &'static str {
        match self {
            Failure::Sealed => "is sealed",
            Failure::Uninitialized => "is not initialized",
            Failure::Refused | Failure::NotSignedIn(_) => "refuses the token",
            Failure::Unreachable(_)
            | Failure::TimedOut
            | Failure::Absent
            | Failure::Status(_)
            | Failure::Unreadable
            | Failure::NotLeased => "does not answer",
        }
    }

    /// Whether the next call would fail like this one, whatever it is for.
    pub fn is_general(&self) -> bool {
        match self {
            Failure::Unreachable(_)
            | Failure::TimedOut
            | Failure::Sealed
            | Failure::Uninitialized
            | Failure::NotSignedIn(_) => true,
            Failure::Refused
            | Failure::Absent
            | Failure::Status(_)
            | Failure::Unreadable
            | Failure::NotLeased => false,
        }
    }

    /// The outcome of a call, as a label of its metric.
    pub fn outcome(&self) -> &'static str {
        match self {
            Failure::Unreachable(_) => "unreachable",
            Failure::TimedOut => "timed_out",
            Failure::Sealed | Failure::Uninitialized => "sealed",
            Failure::Refused | Failure::NotSignedIn(_) => "refused",
            Failure::Absent => "absent",
            Failure::Status(_) | Failure::Unreadable | Failure::NotLeased => "failed",
        }
    }

    pub fn of_status(code: u16) -> Failure {
        match code {
            403 => Failure::Refused,
            404 => Failure::Absent,
            501 => Failure::Uninitialized,
            503 => Failure::Sealed,
            other => Failure::Status(other),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        match error {
            ClientError::APIError { code, .. } => Failure::of_status(code),
            // A deleted version comes as a 404 whose body is no list of errors.
            ClientError::RestClientError { source } => source.into(),
            _ => Failure::Unreadable,
        }
    }
}

impl From<RestError> for Failure {
    fn from(error: RestError) -> Failure {
        match error {
            RestError::ServerResponseError { code, .. } => Failure::of_status(code),
            RestError::RequestError { source, .. } | RestError::ResponseError { source } => {
                Failure::Unreachable(source.root_cause().to_string())
            }
            _ => Failure::Unreadable,
        }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Failure {
        RestError::ResponseError { source: error.without_url().into() }.into()
    }
}
