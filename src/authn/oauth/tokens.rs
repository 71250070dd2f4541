//! What a grant at the token endpoint gives.

use secrecy::{ExposeSecret as _, SecretString};

use crate::authn::{AccessToken, TokenPair};

/// The token types of RFC 8693 section 3 that are known here.
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// An access token, and a refresh token where the client may have one.
#[derive(Debug)]
pub struct Granted {
    pub access: AccessToken,
    /// For tokens that were exchanged, what came of it (RFC 8693 section 2.2.1).
    pub issued_token_type: Option<&'static str>,
    refresh: Option<SecretString>,
}

impl Granted {
    /// The same, given for another token.
    pub fn exchanged(self, issued_token_type: &'static str) -> Granted {
        Granted { issued_token_type: Some(issued_token_type), ..self }
    }

    /// For the one answer that shows it.
    pub fn reveal_refresh(&self) -> Option<&str> {
        self.refresh.as_ref().map(|it| it.expose_secret())
    }
}

impl From<AccessToken> for Granted {
    fn from(access: AccessToken) -> Granted {
        Granted { access, refresh: None, issued_token_type: None }
    }
}

impl From<TokenPair> for Granted {
    fn from(it: TokenPair) -> Granted {
        Granted { access: it.access, refresh: Some(it.refresh), issued_token_type: None }
    }
}
