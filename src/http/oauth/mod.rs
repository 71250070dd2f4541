//! `/oauth`: the authorization server as clients and browsers see it.

mod client;
pub mod pages;
mod token;

pub use token::{TokenAnswer, TokenError, TokenForm, token};
