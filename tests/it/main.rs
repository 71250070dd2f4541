//! The integration tests: one binary, a file per subject.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod audit;
mod dockerfile;
mod harness;
mod interop;
mod ledger;
mod store;
mod tampering;
mod vending;
