//! Settings of where secrets are kept.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::origin::Origin;

/// Vault or OpenBao, where it keeps the tools' secrets.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Vault {
    /// Its address; without one, secrets are sealed in the store.
    #[schemars(example = &"https://vault.example:8200")]
    pub addr: Option<Origin>,
    /// Mount of a KV engine of version 2.
    pub mount: VaultPath,
    /// Folder of that mount which is Gatewright's own.
    pub prefix: VaultPath,
    /// Namespace, where Vault has several.
    #[schemars(example = &"teams/agents")]
    pub namespace: Option<VaultPath>,
    /// Role to sign in as (AppRole); needs its secret id.
    #[schemars(example = &"59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8")]
    pub role_id: Option<String>,
    /// File of the role's secret id, its owner's alone; read anew at each sign-in.
    #[schemars(example = &"/run/secrets/vault-secret-id")]
    pub secret_id_file: Option<PathBuf>,
    /// Mount of the AppRole method.
    pub approle_mount: VaultPath,
    /// File of a token, in place of a role; renewed while Vault allows, then read anew.
    #[schemars(example = &"/run/secrets/vault-token")]
    pub token_file: Option<PathBuf>,
    /// Authorities that may vouch for Vault, PEM; those of `outbound.ca_file` when not set.
    #[schemars(example = &"tls/vault.pem")]
    pub ca_file: Option<PathBuf>,
    /// Paths of dynamic engines below which tools may name one; none when empty.
    #[schemars(example = &["database/creds"])]
    pub lease_paths: Vec<VaultPath>,
}

impl Default for Vault {
    fn default() -> Vault {
        Vault {
            addr: None,
            mount: VaultPath("secret".to_owned()),
            prefix: VaultPath("gatewright".to_owned()),
            namespace: None,
            role_id: None,
            secret_id_file: None,
            approle_mount: VaultPath("approle".to_owned()),
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

/// Words between slashes, as Vault names mounts, folders and engines; none of them at either end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct VaultPath(String);

/// Why a text is no path; holds the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no path such as `database/creds/reader`: letters, digits, `-`, `_`, `.`, and slashes between"
)]
pub struct NoVaultPath(String);

impl VaultPath {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this folder, or in it.
    pub fn is_in(&self, folder: &str) -> bool {
        self.0.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for VaultPath {
    type Err = NoVaultPath;

    fn from_str(text: &str) -> Result<VaultPath, NoVaultPath> {
        const CHARS_MAX: usize = 256;
        let sign = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
        let word = |it: &str| !it.is_empty() && !matches!(it, "." | "..") && it.chars().all(sign);
        match text.len() <= CHARS_MAX && text.split('/').all(word) {
            true => Ok(VaultPath(text.to_owned())),
            false => Err(NoVaultPath(text.to_owned())),
        }
    }
}

impl TryFrom<String> for VaultPath {
    type Error = NoVaultPath;

    fn try_from(text: String) -> Result<VaultPath, NoVaultPath> {
        text.parse()
    }
}

impl From<VaultPath> for String {
    fn from(it: VaultPath) -> String {
        it.0
    }
}

impl fmt::Display for VaultPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_words_between_slashes() {
        for good in ["secret", "database/creds/reader", "a.b/c-d/_e"] {
            assert_eq!(good.parse::<VaultPath>().unwrap().as_str(), good);
        }
        let long = "x".repeat(257);
        for bad in ["", "/", "/a", "a/", "a//b", "a/../b", ".", "a b", "a?b", "a%2fb", "ä", &long]
        {
            assert_eq!(bad.parse::<VaultPath>(), Err(NoVaultPath(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn a_folder_holds_whole_words() {
        let path: VaultPath = "database/creds/reader".parse().unwrap();
        for (folder, holds) in [
            ("database", true),
            ("database/creds", true),
            ("database/creds/reader", true),
            ("data", false),
            ("database/creds/reader/x", false),
        ] {
            assert_eq!(path.is_in(folder), holds, "{folder}");
        }
    }
}
