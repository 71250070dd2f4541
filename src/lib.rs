//! Gatewright stands between AI agents and the tools they call.

pub mod cli;
pub mod clock;
pub mod credentials;
