//! What changed between two descriptions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// More says no more.
const CHANGES_MAX: usize = 50;
const VALUE_CHARS_MAX: usize = 500;

/// One place where two descriptions differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Where, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What was there; nothing when it is new. Long values are shortened, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is there now; nothing when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// The places where two values differ, as deep as they can be told apart.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    walk(String::new(), Some(before), Some(after), &mut found);
    found
}

/// How a tool is described that its server has no more.
pub(super) fn vanished(name: &str) -> Vec<Change> {
    vec![Change { pointer: "/name".into(), before: Some(name.into()), after: None }]
}

fn walk(pointer: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    if before == after || found.len() >= CHANGES_MAX {
        return;
    }
    let (Some(Value::Object(old)), Some(Value::Object(new))) = (before, after) else {
        found.push(Change { pointer, before: before.map(shown), after: after.map(shown) });
        return;
    };
    let added = new.keys().filter(|it| !old.contains_key(*it));
    for key in old.keys().chain(added) {
        let below = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        walk(below, old.get(key), new.get(key), found);
    }
}

fn shown(value: &Value) -> Value {
    let text = match value {
        Value::String(it) => it.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_told_where_it_is() {
        let before = json!({ "a": { "b": 1, "c/d": [1] }, "e": "x", "same": {} });
        let after = json!({ "a": { "b": 2, "c/d": [1, 2] }, "f": null, "same": {} });
        let told = changes(&before, &after);
        let told: Vec<_> =
            told.iter().map(|it| (it.pointer.as_str(), &it.before, &it.after)).collect();
        assert_eq!(
            told,
            [
                ("/a/b", &Some(json!(1)), &Some(json!(2))),
                ("/a/c~1d", &Some(json!([1])), &Some(json!([1, 2]))),
                ("/e", &Some(json!("x")), &None),
                ("/f", &None, &Some(json!(null))),
            ]
        );
        assert!(changes(&before, &before).is_empty());
    }

    #[test]
    fn no_diff_is_longer_than_anybody_reads() {
        let many = |text: &str| {
            Value::Object((0..500).map(|it| (it.to_string(), text.repeat(1_000).into())).collect())
        };
        let told = changes(&many("é"), &many("ü"));
        assert_eq!(told.len(), CHANGES_MAX);
        assert!(serde_json::to_string(&told).unwrap().len() < 200_000);
    }
}
