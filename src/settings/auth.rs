//! Settings of sign-in and of access tokens.

use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use super::issuers::TrustedIssuer;
use super::{origin::Origin, secret};
use crate::directory::PrincipalName;

/// Signing in and access tokens.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// Life of an access token, in seconds.
    #[schemars(range(min = 1, max = 86400))]
    pub access_token_ttl_seconds: u32,
    /// Life of a refresh token, in seconds.
    #[schemars(range(min = 1, max = 31536000))]
    pub refresh_token_ttl_seconds: u32,
    /// Life of the elevated token that a fresh password buys, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub elevated_token_ttl_seconds: u32,
    /// File of the Ed25519 key that signs access tokens.
    pub key_file: PathBuf,
    /// File of the key that second factors are sealed with in the store; without it they are lost.
    pub factors_key_file: PathBuf,
    /// Name of the administrator that is made at the first start; needs a password beside it.
    #[schemars(example = &"root")]
    pub bootstrap_admin_username: Option<String>,
    /// Password of that administrator; production asks for 15 characters or more.
    #[serde(deserialize_with = "secret::deserialize")]
    #[schemars(schema_with = "secret::schema")]
    pub bootstrap_admin_password: Option<SecretString>,
    /// Token that registers the first people and machines, in place of an access token:
    /// 32 characters or more. Leave it out once they are there.
    #[serde(deserialize_with = "secret::deserialize")]
    #[schemars(schema_with = "secret::schema")]
    pub bootstrap_token: Option<SecretString>,
    /// File of tokens for machines, one on each line: `[agent:NAME|user:NAME] TOKEN [SCOPE ...]`.
    #[schemars(example = &"/run/secrets/gatewright-tokens")]
    pub tokens_file: Option<PathBuf>,
    /// Whom a token of that file stands for whose line does not say.
    #[schemars(example = &"agent:deploy")]
    pub tokens_principal: Option<PrincipalName>,
    /// Who the tokens say they come from; the public URL when not set.
    pub issuer: String,
    /// Whom the tokens are for; the public URL when not set.
    pub audience: String,
    /// Issuers whose word is taken: `kind = "sign_in"` for people, `kind = "workload"` for machines.
    #[schemars(example = trusted_issuers_example())]
    pub trusted_issuers: Vec<TrustedIssuer>,
    /// Other services that clients may ask for tokens for (`resource`, RFC 8707), by their address.
    #[schemars(example = &["https://tools.example/mcp"])]
    pub resources: Vec<String>,
    /// What an OAuth client asks for that names no scopes.
    pub default_scopes: Vec<String>,
}

impl Default for Auth {
    fn default() -> Auth {
        let public_url = Origin::default().to_string();
        Auth {
            access_token_ttl_seconds: 900,
            refresh_token_ttl_seconds: 1_209_600,
            elevated_token_ttl_seconds: 300,
            key_file: PathBuf::from("gatewright-keys/access.key"),
            factors_key_file: PathBuf::from("gatewright-keys/factors.key"),
            bootstrap_admin_username: None,
            bootstrap_admin_password: None,
            bootstrap_token: None,
            tokens_file: None,
            tokens_principal: None,
            issuer: public_url.clone(),
            audience: public_url,
            trusted_issuers: Vec::new(),
            resources: Vec::new(),
            default_scopes: ["read:public", "read:profile"].map(str::to_owned).into(),
        }
    }
}

fn trusted_issuers_example() -> serde_json::Value {
    serde_json::json!([{
        "kind": "workload",
        "name": "cluster",
        "issuer": "https://kubernetes.default.svc",
        "audience": "https://gate.example",
        "agents": { "system:serviceaccount:prod:crawler": "crawler" },
    }])
}
