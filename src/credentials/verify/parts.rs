//! For `inspect` and `attenuate`, which the issuer's side of this crate has besides.

pub(crate) use super::claims::Claims;
pub(crate) use super::token::{Unverified, container, decode, malformed, parse};
