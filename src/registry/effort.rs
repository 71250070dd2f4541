//! An upper bound on what compiling a schema can cost, taken before it is compiled.
//!
//! For `unevaluatedProperties` and `unevaluatedItems` the compiler copies out everything that may
//! evaluate a member, through every reference, by every path: forty definitions that each name the
//! next one twice fit into 4 KiB and would fill any memory.

use std::ptr;

use serde_json::{Map, Value};

/// Schemas that may be copied out, some 3 µs each.
const COPIES_MAX: u32 = 20_000;
/// Values that may be looked at to find that out; a body has at most some 100,000.
const STEPS_MAX: u32 = 1_000_000;

/// Keywords whose schemas look at the same instance as the one they stand in.
const IN_PLACE: [&str; 8] =
    ["allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "dependencies"];

/// What is wrong with a schema that would cost too much; none when it is bounded.
pub(super) fn fault(schema: &Value) -> Option<&'static str> {
    let mut walk = Walk { root: schema, path: Vec::new(), copies: 0, steps: 0, resources: false };
    let within = walk.visit(schema, Copied::No, 0).is_some();
    if walk.copies > 0 && walk.resources {
        return Some("must not hold `$id` below its root where it asks what is unevaluated");
    }
    (!within).then_some(
        "asks in too many ways what is unevaluated: use fewer references there, or \
         `additionalProperties`",
    )
}

/// Whether the compiler copies a schema out for one that asks what is unevaluated.
#[derive(Clone, Copy, PartialEq)]
enum Copied {
    No,
    Yes,
}

struct Walk<'a> {
    root: &'a Value,
    /// The targets of the references that lead here: one that leads back ends.
    path: Vec<&'a Value>,
    copies: u32,
    steps: u32,
    /// Whether a part is a resource of its own, so that references in it mean something else.
    resources: bool,
}

impl<'a> Walk<'a> {
    /// Goes the compiler's ways; none when there are too many.
    fn visit(&mut self, value: &'a Value, copied: Copied, depth: u32) -> Option<()> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return None;
        }
        match value {
            Value::Array(items) => {
                items.iter().try_for_each(|it| self.visit(it, copied, depth + 1))
            }
            Value::Object(members) => self.object(members, copied, depth),
            _ => Some(()),
        }
    }

    fn object(
        &mut self,
        members: &'a Map<String, Value>,
        copied: Copied,
        depth: u32,
    ) -> Option<()> {
        self.resources |= depth > 0 && members.get("$id").is_some_and(Value::is_string);
        let asks = members.contains_key("unevaluatedProperties")
            || members.contains_key("unevaluatedItems");
        let copied = if asks { Copied::Yes } else { copied };
        if copied == Copied::Yes {
            self.copies += 1;
            if self.copies > COPIES_MAX {
                return None;
            }
            for key in ["$ref", "$dynamicRef"] {
                if let Some(text) = members.get(key).and_then(Value::as_str) {
                    self.follow(text, depth)?;
                }
            }
        }
        for (key, member) in members {
            let here = if IN_PLACE.contains(&key.as_str()) { copied } else { Copied::No };
            // Compiled once for itself and once more for what it evaluates.
            let times = if asks && key != "properties" && key != "$defs" { 2 } else { 1 };
            for _ in 0..times {
                self.visit(member, here, depth + 1)?;
            }
        }
        Some(())
    }

    fn follow(&mut self, reference: &str, depth: u32) -> Option<()> {
        // What is no plain pointer may lead anywhere: the root holds it all.
        let plain = reference.strip_prefix('#').filter(|it| !it.contains('%'));
        let target = plain.and_then(|it| self.root.pointer(it)).unwrap_or(self.root);
        if self.path.iter().any(|it| ptr::eq(*it, target)) {
            return Some(());
        }
        self.path.push(target);
        let done = self.visit(target, Copied::Yes, depth + 1);
        self.path.pop();
        done
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `length` definitions, each of which names the next one `times` times.
    fn ladder(length: usize, times: usize) -> Value {
        let rungs = (0..length).map(|it| {
            let next = json!({ "$ref": format!("#/$defs/r{}", it + 1) });
            let rung = json!({ "unevaluatedProperties": false, "allOf": vec![next; times] });
            (format!("r{it}"), rung)
        });
        let mut definitions: Map<String, Value> = rungs.collect();
        definitions.insert(format!("r{length}"), json!({}));
        json!({ "$defs": definitions, "$ref": "#/$defs/r0" })
    }

    #[test]
    fn schemas_that_grow_without_bound_are_refused() {
        let each = json!({ "unevaluatedProperties": false, "$ref": "#" });
        let items = json!({ "unevaluatedItems": false, "$ref": "#" });
        let nested = (0..30).fold(
            json!({}),
            |it, _| json!({ "unevaluatedProperties": false, "additionalProperties": it }),
        );
        let elsewhere = json!({
            "unevaluatedProperties": false,
            "properties": { "a": { "$id": "https://x.example/", "$ref": "#/$defs/a" } },
        });
        for schema in [
            ladder(40, 2),
            json!({ "allOf": vec![each; 400] }),
            json!({ "allOf": vec![items; 400] }),
            nested,
            elsewhere,
        ] {
            assert!(fault(&schema).is_some());
        }
    }

    #[test]
    fn honest_schemas_pass() {
        let person = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
        let tree = json!({ "properties": { "children": { "items": { "$ref": "#/$defs/node" } } } });
        let strict = json!({
            "$id": "https://x.example/person",
            "$defs": { "person": person, "node": tree },
            "allOf": [{ "$ref": "#/$defs/person" }, { "$ref": "#/$defs/node" }],
            "if": { "required": ["name"] },
            "then": { "properties": { "age": { "type": "integer" } } },
            "unevaluatedProperties": false,
        });
        let mut plain = ladder(40, 2);
        plain["$defs"].as_object_mut().unwrap().values_mut().for_each(|it| {
            it.as_object_mut().unwrap().remove("unevaluatedProperties");
        });
        for schema in [strict, plain, ladder(5, 1)] {
            assert_eq!(fault(&schema), None);
        }
    }
}
