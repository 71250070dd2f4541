//! Refusals in OAuth's own words (RFC 6749 section 5.2); what it has no word for is a problem
//! document, as everywhere.

use schemars::JsonSchema;
use serde::Serialize;
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::{Reply as _, Response, json};

use super::no_store;
use crate::authn::NotHolder;
use crate::http::problem::DPOP_NONCE;
use crate::{Error, Result, Unproven};

/// RFC 6749 section 5.2.
#[derive(Serialize, JsonSchema)]
pub struct TokenError {
    error: &'static str,
    error_description: String,
}

/// Why an OAuth endpoint does not do what it was asked.
#[derive(Debug)]
pub enum Fault {
    Said {
        error: &'static str,
        description: String,
        /// What to make the next DPoP proof with (RFC 9449 section 8).
        nonce: Option<String>,
    },
    Other(Error),
}

impl Fault {
    pub fn new(error: &'static str, description: impl Into<String>) -> Fault {
        Fault::Said { error, description: description.into(), nonce: None }
    }

    /// A denial by policy is said as `error`; everything else as it is.
    pub fn denied(cause: Error, error: &'static str) -> Fault {
        match cause {
            Error::Denied(denial) => Fault::new(error, denial.detail),
            other => other.into(),
        }
    }

    /// # Errors
    /// What OAuth has no word for.
    pub fn respond(self) -> Result<Response> {
        let (error, error_description, nonce) = match self {
            Fault::Said { error, description, nonce } => (error, description, nonce),
            Fault::Other(error) => return Err(error),
        };
        let mut response = json(&TokenError { error, error_description }).into_response();
        *response.status_mut() = StatusCode::BAD_REQUEST;
        if error == "invalid_client" {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            let challenge = HeaderValue::from_static("Basic realm=\"gatewright\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(nonce) = nonce.and_then(|it| HeaderValue::from_str(&it).ok()) {
            response.headers_mut().insert(DPOP_NONCE, nonce);
        }
        Ok(no_store(response))
    }
}

impl From<NotHolder> for Fault {
    fn from(fault: NotHolder) -> Fault {
        let nonce = fault.nonce().map(str::to_owned);
        let (error, description) = (fault.code(), fault.to_string());
        match fault.into() {
            unavailable @ Error::Unavailable { .. } => Fault::Other(unavailable),
            _ => Fault::Said { error, description, nonce },
        }
    }
}

impl From<Error> for Fault {
    fn from(cause: Error) -> Fault {
        let error = match &cause {
            Error::Unauthenticated(Unproven::NotHolder(fault)) => return fault.clone().into(),
            Error::Malformed(_) | Error::UnsupportedMediaType { .. } => "invalid_request",
            Error::Unauthenticated(Unproven::BadGrant | Unproven::BadRefreshToken) => {
                "invalid_grant"
            }
            Error::Unauthenticated(_) => "invalid_client",
            _ => return Fault::Other(cause),
        };
        Fault::new(error, cause.to_string())
    }
}
