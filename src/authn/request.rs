//! What a request shows of who sent it.

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use secrecy::SecretString;

use crate::settings::Origin;
use crate::{Error, Result, Unproven};

/// What is asked for something: a token is given for one of them (RFC 8707).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The API.
    Api,
    /// The MCP server.
    Mcp,
}

/// A request as it was sent.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub headers: &'a HeaderMap,
    /// `HEAD` is not `GET` here.
    pub method: &'a Method,
    /// Still percent-encoded, and without query.
    pub path: &'a str,
    /// What it is sent to.
    pub service: Service,
    /// Where it was sent, when it was not here: somebody else asks about it.
    pub server: Option<&'a Origin>,
}

/// How a token is sent: by whoever has it (RFC 6750), or by the holder of its key (RFC 9449).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Bearer,
    Dpop,
}

impl Request<'_> {
    /// The one token of the request. Two are as bad as none.
    pub(super) fn token(&self) -> Result<(Scheme, SecretString)> {
        self.read_token().ok_or(Error::Unauthenticated(Unproven::NoToken))
    }

    fn read_token(&self) -> Option<(Scheme, SecretString)> {
        let mut values = self.headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "bearer" => Scheme::Bearer,
            "dpop" => Scheme::Dpop,
            _ => return None,
        };
        let token = token.trim();
        (!token.is_empty()).then(|| (scheme, token.into()))
    }
}
