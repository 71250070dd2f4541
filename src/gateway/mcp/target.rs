//! Where an MCP server is, and how it wants to be spoken to.

use http::HeaderMap;
use rmcp::model::ProtocolVersion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::net::outbound::Reach;

/// A server to talk to.
#[derive(Clone, Debug)]
pub struct Target {
    pub url: Url,
    pub reach: Reach,
    pub preference: Preference,
    /// Sent with every request, beside those of the protocol, which win. Mark secret ones as
    /// sensitive.
    pub headers: HeaderMap,
    /// What the last probe found: spares the question. None asks the server first.
    pub known: Option<Dialect>,
}

/// Which transport the publisher wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preference {
    /// Streamable HTTP, and where the server does not know it, HTTP with SSE.
    #[default]
    Auto,
    StreamableHttp,
    Sse,
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "DetectedTransport")]
pub enum Transport {
    /// One endpoint that answers POST with JSON or a stream (since 2025-03-26).
    StreamableHttp,
    /// A stream to read from, and an endpoint that it names to post to (2024-11-05).
    Sse,
}

/// What a server was found to speak.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Dialect {
    pub transport: Transport,
    #[schemars(with = "String")]
    pub protocol: ProtocolVersion,
}
