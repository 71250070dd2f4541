//! One concrete call: which version of the tool, with which arguments.

use std::collections::BTreeMap;

use anyhow::Result;
use cedar_policy::{Entity, RestrictedExpression};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::express::{entity, record, text};
use crate::authz::uid::{Kind, uid};
use crate::credentials::verify::request::whole;

/// The id under which a call's arguments appear in its context.
const ARGUMENTS: &str = "args";

/// A call of a tool.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Over action, tool version, canonical arguments and scopes: what an approval is bound to.
    pub digest: String,
    pub version: ToolVersion,
    /// True when a person said `confirm_consequential`.
    pub confirmed: bool,
    pub arguments: Value,
    /// What the tool was called then: policies that look at its arguments go by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
}

/// The definition of the tool that the call would run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolVersion {
    pub id: String,
    pub tool: String,
    pub signed: bool,
    pub schema_digest: String,
}

/// Arguments by JSON pointer (RFC 6901), one map per type that a policy can compare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flat {
    pub text: BTreeMap<String, String>,
    pub number: BTreeMap<String, i64>,
    pub flag: BTreeMap<String, bool>,
}

impl Call {
    pub(super) fn expression(&self) -> Result<RestrictedExpression> {
        record([
            ("digest", text(&self.digest)),
            ("version", entity(Kind::ToolVersion, &self.version.id)),
            ("confirmed", RestrictedExpression::new_bool(self.confirmed)),
            ("text", entity(Kind::ArgText, ARGUMENTS)),
            ("number", entity(Kind::ArgNumber, ARGUMENTS)),
            ("flag", entity(Kind::ArgFlag, ARGUMENTS)),
        ])
    }

    pub(super) fn entities(&self) -> Result<[Entity; 4]> {
        let Flat { text: texts, number, flag } = flatten(&self.arguments);
        let texts = texts.into_iter().map(|(at, it)| (at, RestrictedExpression::new_string(it)));
        let numbers = number.into_iter().map(|(at, it)| (at, RestrictedExpression::new_long(it)));
        let flags = flag.into_iter().map(|(at, it)| (at, RestrictedExpression::new_bool(it)));
        Ok([
            self.version.entity()?,
            Entity::new_with_tags(uid(Kind::ArgText, ARGUMENTS), [], [], texts)?,
            Entity::new_with_tags(uid(Kind::ArgNumber, ARGUMENTS), [], [], numbers)?,
            Entity::new_with_tags(uid(Kind::ArgFlag, ARGUMENTS), [], [], flags)?,
        ])
    }
}

impl ToolVersion {
    /// The version as Cedar sees it.
    ///
    /// # Errors
    /// None in practice: every attribute is a plain value.
    pub fn entity(&self) -> Result<Entity> {
        let attributes = [
            ("tool".to_owned(), entity(Kind::Tool, &self.tool)),
            ("signed".to_owned(), RestrictedExpression::new_bool(self.signed)),
            ("schema_digest".to_owned(), text(&self.schema_digest)),
        ];
        let tool = uid(Kind::Tool, &self.tool);
        Ok(Entity::new_with_tags(uid(Kind::ToolVersion, &self.id), attributes, [tool], [])?)
    }
}

/// How many bytes the JSON pointers of all arguments of a call may take together.
pub const POINTER_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Whether the JSON pointers of everything in `arguments` stay within [`POINTER_BYTES_MAX`]. A long
/// name is written out anew for each value below it: a small body could fill the memory.
pub fn can_be_told(arguments: &Value) -> bool {
    let mut left = POINTER_BYTES_MAX;
    takes(&mut left, 0, arguments).is_some()
}

/// Takes from `left` what the pointers of `value` and of all below it need; `at` is how long its
/// own is, or longer.
fn takes(left: &mut usize, at: usize, value: &Value) -> Option<()> {
    *left = left.checked_sub(at)?;
    match value {
        Value::Array(items) => {
            // No index is longer than their number.
            let below = at + 1 + items.len().to_string().len();
            items.iter().try_for_each(|it| takes(left, below, it))
        }
        Value::Object(members) => members.iter().try_for_each(|(key, it)| {
            let escaped = key.bytes().filter(|it| matches!(it, b'~' | b'/')).count();
            takes(left, at + 1 + key.len() + escaped, it)
        }),
        _ => Some(()),
    }
}

/// Every leaf of `arguments`. A number that is no 64-bit integer becomes text: rounded, it could
/// slip under a limit. `400.0` is one, as it is for verifiers. Null is nothing.
pub fn flatten(arguments: &Value) -> Flat {
    let mut flat = Flat::default();
    flatten_into(&mut flat, String::new(), arguments);
    flat
}

fn flatten_into(flat: &mut Flat, at: String, value: &Value) {
    match value {
        Value::Null => {}
        Value::Bool(it) => {
            flat.flag.insert(at, *it);
        }
        Value::Number(it) => match whole(it) {
            Some(integer) => {
                flat.number.insert(at, integer);
            }
            None => {
                flat.text.insert(at, it.to_string());
            }
        },
        Value::String(it) => {
            flat.text.insert(at, it.clone());
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten_into(flat, format!("{at}/{index}"), item);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                flatten_into(flat, format!("{at}/{key}"), member);
            }
        }
    }
}
