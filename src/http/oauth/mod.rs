//! `/oauth`: the authorization server as clients and browsers see it.

mod about;
mod account;
mod ask;
mod authorize;
mod browser;
mod client;
mod client_auth;
mod consent;
mod fault;
pub mod federation;
mod find;
mod grants;
mod introspect;
mod metadata;
pub mod pages;
pub mod passkey;
mod register;
mod revoke;
mod sign_in;
mod token;

use warp::http::{HeaderValue, header};
use warp::reply::Response;

pub use about::AboutForm;
pub use account::{account, sign_out};
pub use authorize::{AUTHORIZE, authorize};
pub use browser::Fields;
pub use consent::consent;
pub use fault::TokenError;
pub use introspect::{Introspection, introspect};
pub use metadata::{ResourceMetadata, ServerMetadata, mcp_resource, resource, server};
pub use register::{Registration, register};
pub use revoke::revoke;
pub use sign_in::{form as sign_in_form, second_factor, submit as sign_in};
pub use token::{TokenAnswer, TokenForm, token};

/// No cache keeps an answer that holds a secret (RFC 6749 section 5.1).
fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
