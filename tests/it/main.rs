//! The integration tests: one binary, a file per subject.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod audit;
mod dockerfile;
mod faults;
mod harness;
mod interop;
mod ledger;
mod outage;
mod replicas;
mod store;
mod tampering;
mod vending;
