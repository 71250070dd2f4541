//! Settings of where secrets are kept.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::origin::Origin;

/// Vault or OpenBao, where it keeps the tools' secrets.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Vault {
    /// Its address; without one, secrets are sealed in the store.
    #[schemars(example = &"https://vault.example:8200")]
    pub addr: Option<Origin>,
    /// Mount of a KV engine of version 2.
    pub mount: String,
    /// Folder of that mount which is Gatewright's own.
    pub prefix: String,
    /// Namespace, where Vault has several.
    #[schemars(example = &"teams/agents")]
    pub namespace: Option<String>,
    /// Role to sign in as (AppRole); needs its secret id.
    #[schemars(example = &"59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8")]
    pub role_id: Option<String>,
    /// File of the role's secret id, its owner's alone; read anew at each sign-in.
    #[schemars(example = &"/run/secrets/vault-secret-id")]
    pub secret_id_file: Option<PathBuf>,
    /// Mount of the AppRole method.
    pub approle_mount: String,
    /// File of a token, in place of a role; renewed while Vault allows, then read anew.
    #[schemars(example = &"/run/secrets/vault-token")]
    pub token_file: Option<PathBuf>,
    /// Authorities that may vouch for Vault, PEM; those of `outbound.ca_file` when not set.
    #[schemars(example = &"tls/vault.pem")]
    pub ca_file: Option<PathBuf>,
    /// Paths of dynamic engines below which tools may name one; none when empty.
    #[schemars(example = &["database/creds"])]
    pub lease_paths: Vec<String>,
}

impl Default for Vault {
    fn default() -> Vault {
        Vault {
            addr: None,
            mount: "secret".to_owned(),
            prefix: "gatewright".to_owned(),
            namespace: None,
            role_id: None,
            secret_id_file: None,
            approle_mount: "approle".to_owned(),
            token_file: None,
            ca_file: None,
            lease_paths: Vec::new(),
        }
    }
}

/// Secrets that are sealed in the store, where there is no Vault.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// File of the master key; without it every secret is lost.
    pub master_key_file: PathBuf,
}

impl Default for Secrets {
    fn default() -> Secrets {
        Secrets { master_key_file: PathBuf::from("gatewright-keys/secrets.key") }
    }
}
