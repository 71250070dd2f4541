//! Settings of the audit log.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// The audit log.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// File of the Ed25519 key that signs checkpoints.
    pub key_file: PathBuf,
}

impl Default for Audit {
    fn default() -> Audit {
        Audit { key_file: PathBuf::from("gatewright-keys/audit.key") }
    }
}
