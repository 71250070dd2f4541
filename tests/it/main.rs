//! The integration tests: one binary, a file per subject.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod access_tokens;
mod agent_actions;
mod api_keys;
mod approvals;
mod attacks;
mod attacks_identity;
mod audit;
mod bad_input;
mod canaries;
mod cli;
mod decisions;
mod delegation;
mod dockerfile;
mod explain;
mod factors;
mod failed_acts;
mod faults;
mod federation;
mod figures;
mod forward_auth;
mod gateway;
mod grants;
mod harness;
mod history;
mod identity;
mod interop;
mod introspection;
mod leases;
mod ledger;
mod lifecycle;
mod machines;
mod mcp;
mod mutants;
mod oauth;
mod openapi;
mod outage;
mod outbound;
mod passkeys;
mod proofs;
mod queries;
mod registry;
mod rehearsal;
mod remote_tools;
mod replicas;
mod residuals;
mod risk;
mod routes;
mod sandbox;
mod sdk;
mod sealed;
mod secrets;
mod seeding;
mod server;
mod store;
mod tampering;
mod tls;
mod tokens_file;
mod tools;
mod vault;
mod vending;
