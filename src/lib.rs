//! Gatewright stands between AI agents and the tools they call.
//!
//! One request, one way through, and nobody can take another door:
//!
//! ```text
//!  wire            who              may they?                     the act                          memory
//! http::route  → authn::identify → authz::authorize → Permit<A> → registry | credentials | gateway → store: one commit
//!  (parse: A)    (Caller)          (facts → Cedar)    (proof,      (takes the permit by value)    (effect + audit entry
//!                                                      holds a Warrant)                            + settled reservation)
//! ```
//!
//! * An action is a value ([`authz::Action`]); `parse` makes one from a request in one step.
//! * A [`authz::Permit`] is the proof that policy allowed it. Only [`authz::Authz::authorize`] makes one.
//! * Every effect asks for the permit's [`authz::Warrant`]; nothing is written without one.
//! * Every decision is a leaf of one Merkle tree ([`audit`]), in the same commit as its effect.
//!
//! The feature `verify` without `server` gives [`credentials::verify`] alone: what a tool needs to
//! check a credential offline.

#[cfg(feature = "server")]
pub mod app;
#[cfg(feature = "server")]
pub mod approvals;
#[cfg(feature = "server")]
pub mod audit;
#[cfg(feature = "server")]
pub mod authn;
#[cfg(feature = "server")]
pub mod authz;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod clock;
#[cfg(feature = "server")]
mod coaz;
#[cfg(feature = "server")]
pub mod credentials;
/// The part of it that tool providers take alone.
#[cfg(all(feature = "verify", not(feature = "server")))]
pub mod credentials {
    pub mod verify;
}
#[cfg(feature = "server")]
pub mod decisions;
#[cfg(feature = "server")]
pub mod directory;
#[cfg(feature = "server")]
pub mod enrolment;
#[cfg(feature = "server")]
mod error;
#[cfg(feature = "server")]
mod exact;
#[cfg(feature = "server")]
mod federated;
#[cfg(feature = "server")]
pub mod gateway;
#[cfg(feature = "server")]
pub mod grants;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
mod identify;
#[cfg(feature = "server")]
pub mod keys;
#[cfg(feature = "server")]
pub mod log;
#[cfg(feature = "server")]
pub mod metrics;
#[cfg(feature = "server")]
pub mod net;
#[cfg(feature = "server")]
mod patience;
#[cfg(feature = "server")]
pub mod policy;
#[cfg(feature = "server")]
pub mod queries;
#[cfg(feature = "server")]
pub mod registry;
#[cfg(feature = "server")]
mod rounds;
#[cfg(feature = "server")]
mod seal;
#[cfg(feature = "server")]
pub mod second_factor;
#[cfg(feature = "server")]
pub mod secrets;
#[cfg(feature = "server")]
pub mod settings;
#[cfg(feature = "server")]
pub mod sign_in;
#[cfg(feature = "server")]
mod stamp;
#[cfg(feature = "server")]
pub mod store;
#[cfg(feature = "server")]
mod tidy;
#[cfg(feature = "server")]
pub mod tools;
#[cfg(feature = "server")]
pub mod watch;

#[cfg(feature = "server")]
pub use app::App;
#[cfg(feature = "server")]
pub use error::{Challenge, Denial, Error, FieldFault, Fix, Result, Unproven};
