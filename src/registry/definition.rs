//! What a publisher says about a tool, and the rules for saying it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::connection::{Builtin, Connection};
use super::{reach, schema};
use crate::coaz;
use crate::error::FieldFault;
use crate::{Error, Result};

pub(super) const NAME_CHARS_MAX: usize = 64;
pub(super) const TEXT_CHARS_MAX: usize = 4_000;
const WORDS_MAX: usize = 64;
const WORD_CHARS_MAX: usize = 100;
const TTL_SECONDS_MAX: u32 = 86_400;
/// A thousand dollars: beyond it a price is a typing error.
const COST_MICROS_MAX: i64 = 1_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RiskLevel {
    Low,
    Medium,
    High,
    Critical,
}

impl RiskLevel {
    pub fn as_str(self) -> &'static str {
        match self {
            RiskLevel::Low => "low",
            RiskLevel::Medium => "medium",
            RiskLevel::High => "high",
            RiskLevel::Critical => "critical",
        }
    }
}

/// The part of a tool that its publisher decides and that the digest pins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Definition {
    #[serde(flatten)]
    pub connection: Connection,
    /// Unique without regard to case.
    #[schemars(regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*$"), length(max = 64))]
    pub name: String,
    #[serde(default)]
    pub display_name: String,
    #[serde(default)]
    pub description: String,
    pub version: String,
    /// JSON Schema 2020-12 of the arguments, complete in itself.
    pub input_schema: Value,
    /// Policies know a tag as the tool set of the same name.
    #[serde(default)]
    pub tags: BTreeSet<String>,
    pub risk_level: RiskLevel,
    /// Whether a call has effects that a person must confirm.
    #[serde(default)]
    pub consequential: bool,
    /// What a credential for this tool may carry: the tool's own words.
    pub scopes: BTreeSet<String>,
    /// What its callers' access tokens must hold.
    #[serde(default)]
    pub required_scopes: BTreeSet<String>,
    #[schemars(range(min = 1, max = 86400))]
    pub max_ttl_seconds: u32,
    /// US dollars that one use costs, to the millionth.
    #[serde(default, with = "dollars")]
    #[schemars(with = "f64", range(min = 0, max = 1000))]
    pub cost_per_call: i64,
}

impl Definition {
    /// Refuses what is well-formed but not acceptable, every fault at once.
    pub fn checked(self) -> Result<Definition> {
        let mut faults = Vec::new();
        let mut fault = |pointer: &str, detail: String| {
            faults.push(FieldFault { pointer: pointer.into(), detail });
        };
        if !is_name(&self.name) {
            fault(
                "/name",
                format!(
                    "`{}` is not a tool name: a letter, then letters, digits or `_`, at most {NAME_CHARS_MAX}",
                    shown(&self.name)
                ),
            );
        }
        for (pointer, text) in [
            ("/display_name", &self.display_name),
            ("/description", &self.description),
            ("/version", &self.version),
        ] {
            if text.chars().count() > TEXT_CHARS_MAX
                || text.chars().any(|it| it.is_control() && it != '\n')
            {
                fault(pointer, format!("must be at most {TEXT_CHARS_MAX} printable characters"));
            }
        }
        if self.version.is_empty() {
            fault("/version", "must not be empty".into());
        }
        for (pointer, words) in [
            ("/tags", &self.tags),
            ("/scopes", &self.scopes),
            ("/required_scopes", &self.required_scopes),
        ] {
            if words.len() > WORDS_MAX {
                fault(pointer, format!("holds more than {WORDS_MAX}"));
            }
            if let Some(word) = words.iter().find(|it| !is_word(it)) {
                fault(
                    pointer,
                    format!(
                        "`{}` is not a word: printable ASCII without spaces, quotes or backslashes, at most {WORD_CHARS_MAX}",
                        shown(word)
                    ),
                );
            }
        }
        if self.scopes.is_empty() {
            fault(
                "/scopes",
                "name at least one scope that a credential may carry, such as `read`".into(),
            );
        }
        if !(1..=TTL_SECONDS_MAX).contains(&self.max_ttl_seconds) {
            fault("/max_ttl_seconds", format!("must be from 1 to {TTL_SECONDS_MAX}"));
        }
        if !(0..=COST_MICROS_MAX).contains(&self.cost_per_call) {
            fault("/cost_per_call", "must be from 0 to 1000 US dollars".into());
        }
        if let Connection::Builtin { builtin: Builtin::SandboxPython } = self.connection {
            // Whoever registers it must not make less of it than it is: code of an agent's choosing.
            if !self.consequential {
                fault("/consequential", "must be true for a tool that runs code".into());
            }
        }
        let of_mapping = coaz::faults(&self.input_schema);
        for (pointer, detail) in schema::faults(&self.input_schema).into_iter().chain(of_mapping) {
            fault(&format!("/input_schema{pointer}"), detail);
        }
        for (pointer, detail) in reach::faults(&self.connection, &self.input_schema) {
            fault(&pointer, detail);
        }
        if faults.is_empty() { Ok(self) } else { Err(Error::Invalid(faults)) }
    }
}

/// `^[A-Za-z][A-Za-z0-9_]*$`
fn is_name(text: &str) -> bool {
    text.len() <= NAME_CHARS_MAX
        && text.starts_with(|it: char| it.is_ascii_alphabetic())
        && text.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
}

/// A scope token of RFC 6749 section 3.3, of bounded length.
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= WORD_CHARS_MAX
        && text.bytes().all(|it| it.is_ascii_graphic() && it != b'"' && it != b'\\')
}

/// What a caller typed, short enough to say back.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// US dollars outside, millionths inside. What has more digits is refused, not rounded.
pub(super) mod dollars {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(*micros as f64 / 1e6)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        let micros = (dollars * 1e6).round();
        if !micros.is_finite() || micros.abs() > 1e15 || (micros / 1e6 - dollars).abs() > 1e-9 {
            return Err(D::Error::custom("an amount of US dollars has at most 6 decimal places"));
        }
        Ok(micros as i64)
    }

    pub fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        deserialize(deserializer).map(Some)
    }
}
