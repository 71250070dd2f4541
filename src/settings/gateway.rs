//! Settings of calls that go through the gateway to a tool.

use schemars::JsonSchema;
use serde::Deserialize;

/// Calls of tools through Gatewright.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// A call of a tool that takes longer is given up, in seconds.
    #[schemars(range(min = 1, max = 600))]
    pub timeout_seconds: u32,
    /// An answer of a tool that is larger is refused, in bytes.
    #[schemars(range(min = 1024, max = 16777216))]
    pub response_bytes_max: u32,
}

impl Default for Gateway {
    fn default() -> Gateway {
        Gateway { timeout_seconds: 30, response_bytes_max: 1024 * 1024 }
    }
}

/// Addresses that tools may have.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Probe {
    /// Whether tools may be reached at private and loopback addresses, and by plain http there;
    /// never at metadata or link-local ones.
    pub allow_private_networks: bool,
}
