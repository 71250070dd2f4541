//! What a publisher says about a tool, and the rules for saying it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schema;
use crate::error::FieldFault;
use crate::{Error, Result};

const NAME_CHARS_MAX: usize = 64;
const TEXT_CHARS_MAX: usize = 4_000;
const WORDS_MAX: usize = 64;
const WORD_CHARS_MAX: usize = 100;
const TTL_SECONDS_MAX: u32 = 86_400;
const TTL_SECONDS_DEFAULT: u32 = 3_600;
/// A thousand dollars: beyond it a price is a typing error.
const COST_MICROS_MAX: i64 = 1_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolType {
    /// The agent runs it itself; Gatewright holds its schema and vends its credential.
    Function,
}

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
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub tool_type: ToolType,
    /// Unique without regard to case.
    #[schemars(regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*$"), length(max = 64))]
    pub name: String,
    #[serde(default)]
    pub display_name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default = "first_version")]
    pub version: String,
    /// JSON Schema 2020-12 of the arguments, complete in itself.
    pub input_schema: Value,
    /// Policies know a tag as the tool set of the same name.
    #[serde(default)]
    pub tags: BTreeSet<String>,
    #[serde(default = "low")]
    pub risk_level: RiskLevel,
    /// Whether a call has effects that a person must confirm.
    #[serde(default)]
    pub consequential: bool,
    /// What a credential for this tool may carry: the tool's own words.
    pub scopes: BTreeSet<String>,
    /// What its callers' access tokens must hold.
    #[serde(default)]
    pub required_scopes: BTreeSet<String>,
    #[serde(default = "default_ttl")]
    #[schemars(range(min = 1, max = 86400))]
    pub max_ttl_seconds: u32,
    /// US dollars that one use costs, to the millionth.
    #[serde(default, with = "dollars")]
    #[schemars(with = "f64", range(min = 0, max = 1000))]
    pub cost_per_call: i64,
}

fn first_version() -> String {
    "1.0.0".into()
}

fn low() -> RiskLevel {
    RiskLevel::Low
}

fn default_ttl() -> u32 {
    TTL_SECONDS_DEFAULT
}

/// What `PATCH` may change; what is left out stays as it is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ToolPatch {
    pub name: Option<String>,
    pub display_name: Option<String>,
    pub description: Option<String>,
    pub version: Option<String>,
    pub input_schema: Option<Value>,
    pub tags: Option<BTreeSet<String>>,
    pub risk_level: Option<RiskLevel>,
    pub consequential: Option<bool>,
    pub scopes: Option<BTreeSet<String>>,
    pub required_scopes: Option<BTreeSet<String>>,
    pub max_ttl_seconds: Option<u32>,
    #[serde(deserialize_with = "dollars::optional")]
    #[schemars(with = "Option<f64>")]
    pub cost_per_call: Option<i64>,
}

impl ToolPatch {
    /// The definition with the changes in it, checked as a whole.
    pub fn apply(&self, to: &Definition) -> Result<Definition> {
        fn or<T: Clone>(new: &Option<T>, old: &T) -> T {
            new.as_ref().unwrap_or(old).clone()
        }
        let next = Definition {
            tool_type: to.tool_type,
            name: or(&self.name, &to.name),
            display_name: or(&self.display_name, &to.display_name),
            description: or(&self.description, &to.description),
            version: or(&self.version, &to.version),
            input_schema: or(&self.input_schema, &to.input_schema),
            tags: or(&self.tags, &to.tags),
            risk_level: or(&self.risk_level, &to.risk_level),
            consequential: or(&self.consequential, &to.consequential),
            scopes: or(&self.scopes, &to.scopes),
            required_scopes: or(&self.required_scopes, &to.required_scopes),
            max_ttl_seconds: or(&self.max_ttl_seconds, &to.max_ttl_seconds),
            cost_per_call: or(&self.cost_per_call, &to.cost_per_call),
        };
        next.checked()
    }
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
        for (pointer, detail) in schema::faults(&self.input_schema) {
            fault(&format!("/input_schema{pointer}"), detail);
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
mod dollars {
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
