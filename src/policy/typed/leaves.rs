//! The numbers among a call's arguments, as the types of its tool see them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Fields, Type, TypedCall, numbers};

/// How finely policies tell a number apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    Whole,
    /// Four digits after the point.
    Decimal,
}

/// A number that has a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypedNumber {
    pub grain: Grain,
    /// Whether policies can be shown it as it was sent. Where they cannot, the call is refused.
    pub is_exact: bool,
}

impl TypedCall {
    /// The numbers of `arguments` that have a type, by JSON pointer (RFC 6901).
    pub fn numbers(&self, arguments: &Value) -> BTreeMap<String, TypedNumber> {
        let mut found = BTreeMap::new();
        in_record(&self.input, arguments, "", &mut found);
        found
    }
}

type Found = BTreeMap<String, TypedNumber>;

fn in_record(fields: &Fields, value: &Value, at: &str, found: &mut Found) {
    for (name, field) in fields {
        if let Some(value) = value.get(name) {
            let name = name.replace('~', "~0").replace('/', "~1");
            look(&field.of, value, format!("{at}/{name}"), found);
        }
    }
}

fn look(of: &Type, value: &Value, at: String, found: &mut Found) {
    let number = match (of, value) {
        (Type::Long, Value::Number(it)) => (Grain::Whole, numbers::long(it).is_some()),
        (Type::Decimal, Value::Number(it)) => (Grain::Decimal, numbers::decimal(it).is_some()),
        (Type::Record(fields), value) => return in_record(fields, value, &at, found),
        (Type::Set(of), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                look(of, item, format!("{at}/{index}"), found);
            }
            return;
        }
        _ => return,
    };
    found.insert(at, TypedNumber { grain: number.0, is_exact: number.1 });
}
