//! Speaks MCP to the servers that tools live on: probes them, and calls their tools.
//!
//! Every byte goes through [`Outbound`], so its rules about addresses hold here too. The messages
//! are rmcp's types; its own client is not used, since it keeps tasks and sessions of its own beside
//! the limits of a call, and sends again what was lost. Here a call is one future: it owns its
//! session, sends `tools/call` at most once, and ends within its time and its bytes.

mod budget;
mod call;
mod events;
mod failure;
mod headers;
mod lifecycle;
mod line;
mod message;
mod probe;
mod scrubbed;
mod session;
mod sse;
mod streamable;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::clock::Clock;
use crate::net::outbound::Outbound;

pub use self::budget::Limits;
pub use self::call::{Call, Called, Failed, Ran};
pub use self::failure::Failure;
pub use self::headers::is_reserved;
pub use self::probe::{ListedTool, Probe};
pub use self::target::{Dialect, Preference, Target, Transport};

/// Talks to MCP servers. Keeps nothing between two calls.
pub struct Client {
    outbound: Arc<Outbound>,
    clock: Clock,
}

impl Client {
    pub fn new(outbound: Arc<Outbound>, clock: Clock) -> Client {
        Client { outbound, clock }
    }
}
