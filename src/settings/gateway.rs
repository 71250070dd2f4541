//! Settings of calls that go through the gateway to a tool.

use std::path::PathBuf;

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
    /// Python (3.8 or later) that runs code for agents, shut off from this host. Without one, no
    /// code is run. `gatewright doctor` says whether this host can do it.
    #[schemars(example = &"/usr/bin/python3")]
    pub sandbox: Option<PathBuf>,
    /// Code that runs longer is ended, in seconds; its processor time is limited alike.
    #[schemars(range(min = 1, max = 600))]
    pub sandbox_timeout_seconds: u32,
    /// Memory that code may ask for, in MiB.
    #[schemars(range(min = 64, max = 65536))]
    pub sandbox_memory_mib: u32,
    /// What code may keep in files while it runs, in MiB; they lie in memory as well.
    #[schemars(range(min = 1, max = 4096))]
    pub sandbox_scratch_mib: u32,
    /// Code that prints more is ended, in KiB.
    #[schemars(range(min = 1, max = 16384))]
    pub sandbox_output_kib: u32,
    /// How many codes may run at a time; more are refused.
    #[schemars(range(min = 1, max = 256))]
    pub sandbox_runs_max: u32,
}

impl Default for Gateway {
    fn default() -> Gateway {
        Gateway {
            timeout_seconds: 30,
            response_bytes_max: 1024 * 1024,
            sandbox: None,
            sandbox_timeout_seconds: 10,
            sandbox_memory_mib: 256,
            sandbox_scratch_mib: 16,
            sandbox_output_kib: 64,
            sandbox_runs_max: 4,
        }
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
