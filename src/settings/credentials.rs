//! Settings of the credentials that agents are handed.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// The Biscuit credentials that agents take to tools.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Credentials {
    /// Life of a credential whose request names none, in seconds; policies may cut it.
    #[schemars(range(min = 1, max = 86400))]
    pub default_ttl_seconds: u32,
    /// File of the Ed25519 root key that signs credentials.
    pub key_file: PathBuf,
}

impl Default for Credentials {
    fn default() -> Credentials {
        Credentials {
            default_ttl_seconds: 900,
            key_file: PathBuf::from("gatewright-keys/credentials.key"),
        }
    }
}
