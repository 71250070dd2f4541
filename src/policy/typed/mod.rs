//! Typed calls: for a tool that some policy names, an action of its own, whose context holds the
//! arguments of the call with the types that the tool's JSON Schema gives them.
//!
//! `Action::"call:pay"` lies in `Action::"call"`, so whatever is said of all calls holds for it.
//! What Cedar has no type for is left out: no rule can name it, and calls may carry it all the same.

mod change;
mod convert;
mod declared;
mod generate;
mod leaves;
mod numbers;
mod resolve;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use cedar_policy::{EntityTypeName, EntityUid};

use crate::authz::uid::Kind;

pub(super) use self::change::schema_with;
pub use self::convert::Unfit;
#[cfg(feature = "prove")]
pub(super) use self::declared::core_of;
pub(super) use self::declared::{Declarations, based};
pub use self::generate::{Generated, generate};
pub use self::leaves::{Grain, TypedNumber};
pub use self::resolve::gather;
pub(super) use self::resolve::{FILE, named, resolve};
pub(super) use self::write::schema_file;
pub use self::write::{export, schema_of};

/// What the id of a typed action begins with; the tool's name follows.
pub const PREFIX: &str = "call:";

/// The namespace of a tool's own types is below this one.
const INPUTS: &str = "Gatewright::Input";

/// A type that arguments are converted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    Bool,
    Long,
    /// Four digits after the point.
    Decimal,
    Text,
    OneOf(Words),
    Set(Box<Type>),
    Record(Fields),
}

/// A closed list of strings: an entity type of its own, so that the validator knows each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    pub name: EntityTypeName,
    /// In the order of the schema.
    pub words: Vec<String>,
}

/// The attributes of a record, by name.
pub type Fields = BTreeMap<String, Field>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub of: Type,
    pub required: bool,
}

/// A tool with an action of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedCall {
    /// `Gatewright::Action::"call:pay"`.
    pub action: EntityUid,
    /// What `context.input` holds.
    pub input: Fields,
}

/// The typed calls of a bundle, by the tool's name without regard to case.
pub type TypedCalls = BTreeMap<String, TypedCall>;

/// The tool that a typed action is about.
pub fn tool_of(action: &EntityUid) -> Option<&str> {
    let is_action = Kind::of(action.type_name()) == Some(Kind::Action);
    action.id().unescaped().strip_prefix(PREFIX).filter(|_| is_action)
}
