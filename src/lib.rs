//! Gatewright stands between AI agents and the tools they call.

pub mod clock;
pub mod credentials;
