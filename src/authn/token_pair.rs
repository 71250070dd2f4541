//! What a successful sign-in gives.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

/// An access token in the clear.
#[derive(Debug)]
pub struct AccessToken {
    pub(super) token: SecretString,
    pub expires_at: Timestamp,
    /// How long it lives from the second in which it was made.
    pub ttl: Duration,
    /// The scopes it holds.
    pub scopes: Vec<String>,
}

/// An access token and the refresh token that follows it.
#[derive(Debug)]
pub struct TokenPair {
    pub access: AccessToken,
    pub(super) refresh: SecretString,
    pub refresh_expires_at: Timestamp,
}

impl AccessToken {
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
