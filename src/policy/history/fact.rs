//! One fact about the past: what is counted, for whom, how far back.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::authz::facts::{Amount, Tally};

/// What policies read as `context.history.<name>`.
#[derive(Clone, Debug)]
pub struct Fact {
    pub name: String,
    /// Where it is declared, from 1.
    pub(super) line: usize,
    pub action: Counted,
    /// The name of the only tool that counts, in lower case.
    pub tool: Option<String>,
    /// The tag of the tools that count.
    pub set: Option<String>,
    pub ending: Ending,
    pub count: Count,
    pub per: Per,
    /// How far back, in microseconds; none as long as the session lasts.
    pub within: Option<i64>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Invoke,
    RequestCredential,
}

/// How it must have ended to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was allowed, however it ended, if it has ended at all.
    Any,
    Success,
    Failed,
}

/// How it is counted. The texts are JSON pointers (RFC 6901) into the arguments of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Count {
    Calls,
    Distinct(String),
    Sum(String),
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    Principal,
    Session,
    User,
    Tool,
    Everybody,
}

impl Counted {
    pub(super) const WORDS: [(&str, Counted); 2] =
        [("invoke", Counted::Invoke), ("request_credential", Counted::RequestCredential)];

    /// The name of the action.
    pub fn as_str(self) -> &'static str {
        match self {
            Counted::Invoke => "invoke",
            Counted::RequestCredential => "request_credential",
        }
    }
}

impl Ending {
    pub(super) const WORDS: [(&str, Ending); 3] =
        [("any", Ending::Any), ("success", Ending::Success), ("failed", Ending::Failed)];
}

impl Per {
    pub(super) const WORDS: [(&str, Per); 5] = [
        ("principal", Per::Principal),
        ("session", Per::Session),
        ("user", Per::User),
        ("tool", Per::Tool),
        ("everybody", Per::Everybody),
    ];
}

impl Count {
    /// Where in the arguments it looks.
    pub fn pointer(&self) -> Option<&str> {
        match self {
            Count::Calls => None,
            Count::Distinct(at) | Count::Sum(at) => Some(at),
        }
    }
}

impl Fact {
    /// What it is before anything has happened.
    pub fn nothing(&self) -> Tally {
        match self.count {
            Count::Calls | Count::Distinct(_) => Tally::Count(0),
            Count::Sum(_) => Tally::Sum(Amount::ZERO),
        }
    }

    /// Whether this and `other` are the same number at every moment.
    pub(in crate::policy) fn counts_alike(&self, other: &Fact) -> bool {
        self.key() == other.key() && self.within == other.within
    }

    /// SHA-256, in hexadecimal, over everything that says what belongs to the count. Neither the
    /// name nor the window does: renamed or narrowed, a fact still knows its past.
    pub fn key(&self) -> String {
        let counted = match &self.count {
            Count::Calls => ("calls", ""),
            Count::Distinct(at) => ("distinct", at.as_str()),
            Count::Sum(at) => ("sum", at.as_str()),
        };
        let said = json!([
            self.action.as_str(),
            self.tool,
            self.set,
            format!("{:?}", self.ending),
            counted,
            format!("{:?}", self.per),
        ]);
        hex::encode(Sha256::digest(said.to_string()))
    }
}
