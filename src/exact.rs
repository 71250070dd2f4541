//! Bytes that stand for one JSON value and no other: what digests of requests are made over.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Beyond it RFC 8785 writes neighbours alike, for it takes every number for a double.
const EXACT_MAX: u64 = 1 << 53;

/// The canonical form (RFC 8785) of a value, together with those of its integers that the form
/// would round.
pub fn exact_bytes(value: &Value) -> Vec<u8> {
    let mut rounded = BTreeMap::new();
    find(value, String::new(), &mut rounded);
    let said = json!({ "value": value, "integers": rounded });
    // What has no canonical form stands for itself, in the order in which it came.
    serde_json_canonicalizer::to_vec(&said).unwrap_or_else(|_| said.to_string().into_bytes())
}

/// Large integers as text, by JSON pointer.
fn find(value: &Value, at: String, rounded: &mut BTreeMap<String, String>) {
    match value {
        Value::Number(it) => {
            let whole = it.as_u64().or_else(|| it.as_i64().map(i64::unsigned_abs));
            if whole.is_some_and(|it| it > EXACT_MAX) {
                rounded.insert(at, it.to_string());
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find(item, format!("{at}/{index}"), rounded);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                find(member, format!("{at}/{key}"), rounded);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_a_double_cannot_tell_apart_are_told_apart() {
        let bytes = |it: &str| exact_bytes(&serde_json::from_str(it).unwrap());
        for (one, other) in [
            ("9007199254740992", "9007199254740993"),
            ("-9007199254740992", "-9007199254740993"),
            ("18446744073709551614", "18446744073709551615"),
            (r#"{"a":{"b":[9007199254740993]}}"#, r#"{"a":{"b":["9007199254740993"]}}"#),
        ] {
            assert_ne!(bytes(one), bytes(other), "{one}");
        }
        assert_eq!(bytes(r#"{"a":1,"b":2.0}"#), bytes(r#"{"b":2,"a":1.0}"#));
    }
}
