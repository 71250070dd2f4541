//! Who sent a request, whatever it is proven by.

use std::sync::Arc;

use http::HeaderMap;

use crate::audit::entry::Origin;
use crate::authn::Caller;
use crate::{App, Result, metrics};

impl App {
    /// Who sent this request: by an access token, an API key, or a line of the tokens file.
    pub fn identify(&self, headers: &HeaderMap, origin: Arc<Origin>) -> Result<Caller> {
        match self.standing.identify(headers, &origin, &self.authz) {
            Some(known) => known.inspect_err(|_| metrics::unauthenticated()),
            None => self.authn.identify(headers, origin),
        }
    }

    /// The same, or a guest where the request carries no proof at all. A bad proof is refused here
    /// as everywhere.
    pub fn identify_or_guest(&self, headers: &HeaderMap, origin: Arc<Origin>) -> Result<Caller> {
        match headers.contains_key(http::header::AUTHORIZATION) {
            true => self.identify(headers, origin),
            false => self.authn.guest(origin),
        }
    }
}
