//! The integration tests: one binary, a file per subject.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod dockerfile;
mod harness;
mod interop;
mod routes;
mod vending;
