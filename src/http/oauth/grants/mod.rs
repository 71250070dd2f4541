//! The grants of the token endpoint, one to a file.

mod authorization_code;
mod client_credentials;
mod refresh_token;
mod token_exchange;
mod workload;

use std::collections::BTreeSet;

use super::fault::Fault;
use crate::App;
use crate::authn::oauth::scopes;

pub use authorization_code::authorization_code;
pub use client_credentials::client_credentials;
pub use refresh_token::refresh_token;
pub use token_exchange::{GRANT as TOKEN_EXCHANGE, token_exchange};
pub use workload::workload;

/// The scopes that a request names, if it names any.
fn asked(scope: Option<&str>) -> Result<Option<BTreeSet<String>>, Fault> {
    let asked = scope.map(scopes::parse).transpose();
    asked.map_err(|why| Fault::new("invalid_scope", why.to_string()))
}

/// Refuses a `resource` that is not the one that was agreed on; none is that one, too.
fn same_resource(app: &App, asked: Option<&str>, agreed: Option<&str>) -> Result<(), Fault> {
    if asked.is_none() {
        return Ok(());
    }
    let found = app.oauth.resources.audience(asked);
    match found.is_ok_and(|it| it == agreed.unwrap_or(app.oauth.resources.own())) {
        true => Ok(()),
        false => Err(Fault::new("invalid_target", "the grant is for another `resource`")),
    }
}
