//! The integration tests: one binary, a file per subject.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod canaries;
mod cli;
mod dockerfile;
mod figures;
mod harness;
mod interop;
mod mutants;
mod openapi;
mod server;
mod tls;
mod vending;
