//! A principal as people write it down: `agent:deploy`, `user:alice`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Kind, Principal, Snapshot};

/// The kind of a principal and its name, whether or not there is one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct PrincipalName {
    kind: Kind,
    name: String,
}

/// A text that names no principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no principal such as `agent:deploy` or `user:alice`")]
pub struct NoPrincipalName(String);

impl FromStr for PrincipalName {
    type Err = NoPrincipalName;

    fn from_str(text: &str) -> Result<PrincipalName, NoPrincipalName> {
        let parts = text.split_once(':').and_then(|(kind, name)| Some((Kind::parse(kind)?, name)));
        match parts {
            Some((kind, name)) if !name.is_empty() => Ok(PrincipalName { kind, name: name.into() }),
            _ => Err(NoPrincipalName(text.to_owned())),
        }
    }
}

impl TryFrom<String> for PrincipalName {
    type Error = NoPrincipalName;

    fn try_from(text: String) -> Result<PrincipalName, NoPrincipalName> {
        text.parse()
    }
}

impl fmt::Display for PrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.name)
    }
}

impl Snapshot {
    /// The principal of that name, whatever its case.
    pub fn named(&self, name: &PrincipalName) -> Option<Principal> {
        match name.kind {
            Kind::User => self.user_named(&name.name).cloned().map(Principal::User),
            Kind::Agent => self.agent_named(&name.name).cloned().map(Principal::Agent),
        }
    }
}
