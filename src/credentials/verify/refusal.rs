//! Why a credential was refused: one word for programs, one sentence for people.

use std::error::Error as StdError;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The word that a verifier answers with. The first ten are part of the contract; new ones may
/// be added, none is ever renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The time of use is at or past an expiry, the issuer's or a holder's.
    Expired,
    /// The credential is for another tool.
    WrongTool,
    /// The scope asked for is not among the rights, or was narrowed away.
    Scope,
    /// The arguments or surroundings of this call are not admitted.
    Argument,
    /// The key that the credential is bound to was not proved.
    Holder,
    /// The credential, or one of its blocks, is on the revocation feed.
    Revoked,
    /// No published root key made this signature.
    Signature,
    /// Not a credential: unreadable, or without what every credential has.
    Malformed,
    /// Could not be verified within the limits. Says nothing about forgery.
    Limits,
    /// The revocation feed is older than this verifier accepts.
    FeedStale,
    /// A format version that this verifier does not know.
    Version,
    /// Issued by someone else.
    Issuer,
    /// The tool's definition is not the one that the credential was issued for.
    Digest,
    /// Only Gatewright itself can decide this one; ask it.
    OnlineOnly,
    /// A check that a holder added, over something that no verifier supplies.
    Check,
}

impl Reason {
    /// The word as it goes over the wire, such as `wrong_tool`.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Expired => "expired",
            Reason::WrongTool => "wrong_tool",
            Reason::Scope => "scope",
            Reason::Argument => "argument",
            Reason::Holder => "holder",
            Reason::Revoked => "revoked",
            Reason::Signature => "signature",
            Reason::Malformed => "malformed",
            Reason::Limits => "limits",
            Reason::FeedStale => "feed_stale",
            Reason::Version => "version",
            Reason::Issuer => "issuer",
            Reason::Digest => "digest",
            Reason::OnlineOnly => "online_only",
            Reason::Check => "check",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refused credential. Never carries the token.
#[derive(Debug, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Refusal {
    pub reason: Reason,
    /// One clause for a person, without anything secret.
    pub detail: String,
    /// Which credential it was, once its signature was found good.
    pub credential_id: Option<String>,
    #[source]
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Refusal {
        Refusal { reason, detail: detail.into(), credential_id: None, cause: None }
    }

    pub(crate) fn because(self, cause: impl StdError + Send + Sync + 'static) -> Refusal {
        Refusal { cause: Some(Box::new(cause)), ..self }
    }

    pub(crate) fn of(self, credential_id: &str) -> Refusal {
        Refusal { credential_id: Some(credential_id.to_owned()), ..self }
    }

    /// Whether the same call may succeed without another credential: the verifier ran out of
    /// time, or its feed out of date. Answer 503, not 401 or 403.
    pub fn could_not_verify(&self) -> bool {
        matches!(self.reason, Reason::Limits | Reason::FeedStale)
    }
}
