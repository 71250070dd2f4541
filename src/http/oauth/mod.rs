//! `/oauth`: the authorization server as clients and browsers see it.

mod client;
pub mod pages;
pub mod passkey;
mod token;

pub use token::{TokenAnswer, TokenError, TokenForm, token};
