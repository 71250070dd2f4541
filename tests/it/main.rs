//! The one integration-test binary: the product as outsiders meet it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod interop;
