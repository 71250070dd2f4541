//! Who sent a request, whatever it is proven by.

use std::sync::Arc;

use crate::audit::entry::Origin;
use crate::authn::{Caller, Request};
use crate::{App, Result, metrics};

impl App {
    /// Who sent this request: by an access token, an API key, or a line of the tokens file.
    pub fn identify(&self, request: Request<'_>, origin: Arc<Origin>) -> Result<Caller> {
        match self.standing.identify(request, &origin, &self.authz) {
            Some(known) => known.inspect_err(|_| metrics::unauthenticated()),
            None => self.authn.identify(request, origin),
        }
    }

    /// The same, or a guest where the request carries no proof at all. A bad proof is refused here
    /// as everywhere.
    pub fn identify_or_guest(&self, request: Request<'_>, origin: Arc<Origin>) -> Result<Caller> {
        match request.headers.contains_key(http::header::AUTHORIZATION) {
            true => self.identify(request, origin),
            false => self.authn.guest(origin),
        }
    }
}
