//! Settings of the approvals that people give to calls of tools.

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::secret;

/// Human in the loop: calls that wait for a person's yes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Approvals {
    /// How long a request waits for a decision, in seconds.
    #[schemars(range(min = 1, max = 604800))]
    pub pending_ttl_seconds: u32,
    /// How long an approval that was given waits to be used, in seconds. Policy may have changed its
    /// mind about the world by then: keep it short.
    #[schemars(range(min = 1, max = 86400))]
    pub approved_ttl_seconds: u32,
    /// Where new requests are told of, without their arguments; needs a secret beside it.
    #[schemars(with = "Option<String>", example = &"https://hooks.example/gatewright")]
    pub webhook_url: Option<Url>,
    /// What these messages are signed with (Standard Webhooks): 24 characters or more, or
    /// `whsec_` and Base64.
    #[serde(deserialize_with = "secret::deserialize")]
    #[schemars(schema_with = "secret::schema")]
    pub webhook_secret: Option<SecretString>,
}

impl Default for Approvals {
    fn default() -> Approvals {
        Approvals {
            pending_ttl_seconds: 900,
            approved_ttl_seconds: 300,
            webhook_url: None,
            webhook_secret: None,
        }
    }
}
