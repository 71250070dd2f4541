//! What a policy says about itself in its annotations, and where it is written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A policy as people read it.
#[derive(Clone, Debug, Serialize)]
pub struct Meta {
    /// One sentence: what it grants, or why it denies.
    pub title: String,
    /// What would help against it; a hint, confirmed by asking Cedar again, never an authority.
    pub fix: Option<Fix>,
    /// The file, relative to the policy directory.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// The policy as it is written, annotations included.
    pub text: String,
    pub tier: Tier,
    /// True for a template: it decides nothing until a grant links it.
    pub template: bool,
}

/// Who may change a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Compiled in: changes with a release only.
    Root,
    /// The organization's own.
    Org,
}

/// The kinds of things that can turn a denial into an allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fix {
    Mfa,
    Reauth,
    Approval,
    Confirm,
    Scopes,
    Ttl,
    Wait,
    Time,
    Network,
    Mandate,
    Review,
    Probe,
    Argument,
    History,
}

impl Fix {
    const ALL: [Fix; 14] = [
        Fix::Mfa,
        Fix::Reauth,
        Fix::Approval,
        Fix::Confirm,
        Fix::Scopes,
        Fix::Ttl,
        Fix::Wait,
        Fix::Time,
        Fix::Network,
        Fix::Mandate,
        Fix::Review,
        Fix::Probe,
        Fix::Argument,
        Fix::History,
    ];

    /// The word that stands in `@fix`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Fix::Mfa => "mfa",
            Fix::Reauth => "reauth",
            Fix::Approval => "approval",
            Fix::Confirm => "confirm",
            Fix::Scopes => "scopes",
            Fix::Ttl => "ttl",
            Fix::Wait => "wait",
            Fix::Time => "time",
            Fix::Network => "network",
            Fix::Mandate => "mandate",
            Fix::Review => "review",
            Fix::Probe => "probe",
            Fix::Argument => "argument",
            Fix::History => "history",
        }
    }

    /// All words, as a sentence lists them.
    pub(super) fn vocabulary() -> String {
        Fix::ALL.map(Fix::as_str).join(", ")
    }
}

impl FromStr for Fix {
    type Err = UnknownFix;

    fn from_str(word: &str) -> Result<Fix, UnknownFix> {
        Fix::ALL.into_iter().find(|it| it.as_str() == word).ok_or(UnknownFix)
    }
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is none of the vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such fix")]
pub struct UnknownFix;
