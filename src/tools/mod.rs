//! Tool servers in this binary: MCP over HTTP, for whoever shows a credential of ours. They verify
//! it offline and know nothing else of the server, so they are what a tool provider can go by.

pub mod calculator;
mod follow;
mod front;
mod gateway;
mod mcp;
mod message;
pub mod records;
mod refused;
mod server;
mod shown;

use rmcp::model::Tool;
use serde_json::Value;

use crate::clock::Clock;

pub use server::{Options, Seat, ToolServer};

/// What a tool server does, once it is known that it may.
pub trait Provider: Send + Sync + 'static {
    /// What a model should know before it calls anything.
    fn instructions(&self) -> &'static str;

    /// The tools, by their MCP names.
    fn tools(&self) -> Vec<Tool>;

    /// Does one call, on a thread that may be blocked; ends by itself within a second or so.
    fn call(&self, tool: &str, arguments: Value, clock: &Clock) -> Result<Value, Trouble>;
}

/// Why a call came to nothing, in words that help the caller to mend it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Trouble(String);

impl Trouble {
    fn new(detail: impl Into<String>) -> Trouble {
        Trouble(detail.into())
    }
}

/// The arguments of a call, as the tool's schema has them.
fn arguments<T: serde::de::DeserializeOwned>(given: Value) -> Result<T, Trouble> {
    serde_json::from_value(given).map_err(|it| Trouble(format!("the arguments do not fit: {it}")))
}
