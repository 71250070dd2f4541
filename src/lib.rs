//! Gatewright stands between AI agents and the tools they call.
//!
//! One request, one way through, and nobody can take another door:
//!
//! ```text
//!  wire            who              may they?                     the act                          memory
//! http::route  → authn::identify → authz::authorize → Permit<A> → registry | credentials | … → store: one commit
//!  (parse: A)    (Caller)          (facts → Cedar)    (proof,      (takes the permit by value)    (effect + audit entry
//!                                                      holds a Warrant)                            + settled reservation)
//! ```
//!
//! * An action is a value ([`authz::Action`]); `parse` makes one from a request in one step.
//! * A [`authz::Permit`] is the proof that policy allowed it. Only [`authz::Authz::authorize`] makes one.
//! * Every effect asks for the permit's [`authz::Warrant`]; nothing is written without one.
//! * Every decision is a leaf of one Merkle tree ([`audit`]), in the same commit as its effect.

pub mod app;
pub mod approvals;
pub mod audit;
pub mod authn;
pub mod authz;
pub mod cli;
pub mod clock;
pub mod credentials;
pub mod directory;
pub mod enrolment;
mod error;
mod federated;
pub mod gateway;
pub mod http;
mod identify;
pub mod keys;
pub mod log;
pub mod metrics;
pub mod net;
pub mod policy;
pub mod registry;
mod seal;
pub mod second_factor;
pub mod secrets;
pub mod settings;
pub mod sign_in;
mod stamp;
pub mod store;
pub mod watch;

pub use app::App;
pub use error::{Challenge, Denial, Error, FieldFault, Fix, Result, Unproven};
