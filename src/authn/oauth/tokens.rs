//! What a grant at the token endpoint gives.

use secrecy::{ExposeSecret as _, SecretString};

use crate::authn::{AccessToken, TokenPair};

/// An access token, and a refresh token where the client may have one.
#[derive(Debug)]
pub struct Granted {
    pub access: AccessToken,
    refresh: Option<SecretString>,
}

impl Granted {
    /// For the one answer that shows it.
    pub fn reveal_refresh(&self) -> Option<&str> {
        self.refresh.as_ref().map(|it| it.expose_secret())
    }
}

impl From<AccessToken> for Granted {
    fn from(access: AccessToken) -> Granted {
        Granted { access, refresh: None }
    }
}

impl From<TokenPair> for Granted {
    fn from(it: TokenPair) -> Granted {
        Granted { access: it.access, refresh: Some(it.refresh) }
    }
}
