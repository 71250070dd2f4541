//! COAZ: how a tool says which questions a call of it is to be authorized by (`x-authzen-mapping`
//! in its input schema; COAZ Framework and COAZ-MCP Binding, Draft 1).
//!
//! Expressions are of the part of CEL that mappings are written in: paths into `params` and `token`,
//! literals, comparisons, `!`, `&&`, `||`, `+`, `in`, `?:`, `size()` and optional selection (`.?`).

mod evaluate;
mod expression;
mod lint;
mod mapping;
mod parse;

pub use self::evaluate::Inputs;
pub use self::lint::faults;
pub use self::mapping::questions;

/// Where a mapping stands in an input schema.
pub const MAPPING: &str = "x-authzen-mapping";
