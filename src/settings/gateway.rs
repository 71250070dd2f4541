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

/// Looking at the MCP servers that tools are on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Probe {
    /// A server that takes longer to tell what it is and which tools it has fails its probe, in
    /// seconds.
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: u32,
    /// How long a probe is believed, in seconds; tools whose server was not probed since cannot be
    /// used. Servers are probed again by themselves before.
    #[schemars(range(min = 2, max = 31536000))]
    pub stale_after_seconds: u32,
    /// Whether tools may be reached at private and loopback addresses, and by plain http there;
    /// never at metadata or link-local ones.
    pub allow_private_networks: bool,
}

impl Default for Probe {
    fn default() -> Probe {
        Probe { timeout_seconds: 5, stale_after_seconds: 86_400, allow_private_networks: false }
    }
}
