//! Gatewright stands between AI agents and the tools they call.

pub mod authz;
pub mod clock;
pub mod policy;
