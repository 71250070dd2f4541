//! What a successful sign-in gives.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::authz::facts::Risk;

/// An access token in the clear.
#[derive(Debug)]
pub struct AccessToken {
    pub(super) token: SecretString,
    pub(super) bound: bool,
    pub expires_at: Timestamp,
    /// How long it lives from the second in which it was made.
    pub ttl: Duration,
    /// The scopes it holds.
    pub scopes: Vec<String>,
    /// How risky the request for it was rated.
    pub risk: Risk,
}

/// An access token and the refresh token that follows it.
#[derive(Debug)]
pub struct TokenPair {
    pub access: AccessToken,
    pub(super) refresh: SecretString,
    pub refresh_expires_at: Timestamp,
}

impl AccessToken {
    /// How it is to be sent (RFC 6749 section 7.1, RFC 9449 section 5).
    pub fn kind(&self) -> &'static str {
        if self.bound { "DPoP" } else { "Bearer" }
    }

    /// For the one answer that shows it.
    pub fn reveal(&self) -> &str {
        self.token.expose_secret()
    }
}

impl TokenPair {
    /// For the one answer that shows it.
    pub fn reveal_refresh(&self) -> &str {
        self.refresh.expose_secret()
    }
}
