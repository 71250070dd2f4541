//! Who sent a request, whatever it is proven by.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use secrecy::SecretString;

use crate::audit::entry::Origin;
use crate::authn::{Caller, KnownToken, Request};
use crate::credentials::Presented;
use crate::{App, Error, Result, Unproven, metrics};

/// What becomes of requests that carry no proof at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strangers {
    /// They are refused wherever somebody must be known.
    Refused,
    /// They are taken for this user's. No settings say so: `gatewright dev --no-auth` alone.
    TakenFor(String),
}

impl App {
    /// Who sent this request: by an access token, an API key, or a line of the tokens file.
    pub fn identify(&self, request: Request<'_>, origin: Arc<Origin>) -> Result<Caller> {
        if let Strangers::TakenFor(username) = &self.strangers
            && !request.headers.contains_key(AUTHORIZATION)
        {
            return self.taken_for(username, origin);
        }
        match self.standing.identify(request, &origin, &self.authz) {
            Some(known) => known.inspect_err(|_| metrics::unauthenticated()),
            None => self.authn.identify(request, origin),
        }
    }

    /// Who sent this request by showing a credential for one tool; none where its token is of
    /// another kind.
    pub async fn identify_holder(
        &self,
        request: Request<'_>,
        origin: Arc<Origin>,
    ) -> Result<Option<(Caller, Presented)>> {
        if !request.headers.contains_key(AUTHORIZATION)
            || self.standing.identify(request, &origin, &self.authz).is_some()
        {
            return Ok(None);
        }
        let catalogue = self.registry.catalogue();
        let presented = self.authn.presented(&self.credentials, &catalogue, request, origin).await;
        presented.inspect_err(|_| metrics::unauthenticated())
    }

    /// The same, or a guest where the request carries no proof at all. A bad proof is refused here
    /// as everywhere.
    pub fn identify_or_guest(&self, request: Request<'_>, origin: Arc<Origin>) -> Result<Caller> {
        let known = self.strangers != Strangers::Refused;
        match known || request.headers.contains_key(AUTHORIZATION) {
            true => self.identify(request, origin),
            false => self.authn.guest(origin),
        }
    }

    /// What a token is that somebody asks about; none when it is not good.
    pub async fn known_token(
        &self,
        token: &SecretString,
        origin: &Arc<Origin>,
    ) -> Result<Option<KnownToken>> {
        match self.standing.known_token(token, origin, &self.authz) {
            Some(known) => known,
            None => self.authn.known_token(token, origin.clone()).await,
        }
    }

    fn taken_for(&self, username: &str, origin: Arc<Origin>) -> Result<Caller> {
        let user = self.directory.snapshot().user_named(username).cloned();
        let user = user.ok_or(Error::Unauthenticated(Unproven::NoToken))?;
        self.standing.unasked(user, origin, &self.authz)
    }
}
