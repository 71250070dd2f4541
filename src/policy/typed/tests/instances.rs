//! Whatever a schema admits can be asked about, but for numbers that Cedar cannot hold.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{asked, typed};

const NAMES: [&str; 9] = ["a", "b", "amount", "in", "a-b", "a_b", "ä ö", "x/y~z", "__extn"];
const WORDS: [&str; 5] = ["EUR", "", "in", "\"quoted\"", "ünï"];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({ "type": "integer" })),
        Just(json!({ "type": "number" })),
        Just(json!({ "type": "number", "minimum": 0 })),
        Just(json!({ "type": "string" })),
        Just(json!({ "type": "boolean" })),
        Just(json!({ "type": "null" })),
        Just(json!({})),
        Just(json!({ "$ref": "#/$defs/shared" })),
        Just(json!({ "allOf": [{ "$ref": "#/$defs/shared" }] })),
        Just(json!({ "const": "EUR" })),
        Just(json!({ "enum": [1, 2] })),
        proptest::sample::subsequence(WORDS.to_vec(), 1..=3).prop_map(|it| json!({ "enum": it })),
        proptest::sample::subsequence(WORDS.to_vec(), 1..=3)
            .prop_map(|it| json!({ "type": "string", "enum": it })),
    ]
}

fn property() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|it| json!({ "type": "array", "items": it })),
            inner.clone().prop_map(|it| json!({ "anyOf": [it, { "type": "null" }] })),
            inner.clone().prop_map(|it| json!({ "oneOf": [it, { "type": "string" }] })),
            inner.clone().prop_map(|it| {
                json!({ "type": "array", "prefixItems": [it], "items": { "type": "integer" } })
            }),
            scalar().prop_map(nullable),
            object(inner),
        ]
    })
}

fn nullable(mut schema: Value) -> Value {
    if let Some(Value::String(it)) = schema.get("type").cloned().filter(|it| it != "null") {
        schema["type"] = json!([it, "null"]);
    }
    schema
}

fn object(property: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    let members = proptest::collection::vec((proptest::sample::select(&NAMES[..]), property), 0..5);
    (members, proptest::sample::subsequence(NAMES.to_vec(), 0..4), any::<bool>()).prop_map(
        |(members, required, open)| {
            let properties: Map<String, Value> =
                members.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
            json!({ "type": "object", "properties": properties, "required": required,
                    "additionalProperties": open })
        },
    )
}

fn root() -> impl Strategy<Value = Value> {
    (object(property()), scalar()).prop_map(|(mut root, shared)| {
        let shared =
            if shared.get("$ref").or(shared.get("allOf")).is_some() { json!({}) } else { shared };
        root["$defs"] = json!({ "shared": shared });
        root
    })
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-1_000_000_i64..1_000_000).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-100_000_000_i64..100_000_000).prop_map(|it| Value::from(it as f64 / 10_000.0)),
        (-1.0e6..1.0e6_f64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        proptest::sample::select(&WORDS[..]).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        proptest::collection::vec(number(), 0..3).prop_map(Value::from),
        Just(json!({ "a": 1 })),
    ]
}

/// Mostly what `schema` admits.
fn instance(schema: &Value, root: &Value) -> BoxedStrategy<Value> {
    let own = match schema.get("type").map(|it| it.as_str().unwrap_or("null")) {
        Some("object") => members(schema, root),
        Some("array") => {
            let items = schema.get("items").cloned().unwrap_or_default();
            proptest::collection::vec(instance(&items, root), 0..4).prop_map(Value::from).boxed()
        }
        Some("integer") => prop_oneof![
            any::<i64>().prop_map(Value::from),
            (-1_000_i64..1_000).prop_map(|it| Value::from(it as f64)),
        ]
        .boxed(),
        Some("number") => number().boxed(),
        Some("boolean") => any::<bool>().prop_map(Value::from).boxed(),
        _ => anything().boxed(),
    };
    let listed = schema.get("enum").and_then(Value::as_array).cloned();
    let listed = listed.or_else(|| schema.get("const").map(|it| vec![it.clone()]));
    let either = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
    let next = match (listed, either, schema.get("$ref").or(schema.pointer("/allOf/0/$ref"))) {
        (Some(words), ..) => proptest::sample::select(words).boxed(),
        (_, Some(either), _) => {
            proptest::strategy::Union::new(either.iter().map(|it| instance(it, root))).boxed()
        }
        (.., Some(_)) => instance(&root["$defs"]["shared"], root),
        _ => own,
    };
    prop_oneof![20 => next, 1 => anything()].boxed()
}

fn members(schema: &Value, root: &Value) -> BoxedStrategy<Value> {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let mut pairs: Vec<BoxedStrategy<Option<(String, Value)>>> = Vec::new();
    for name in NAMES {
        let of = properties.get(name).cloned().unwrap_or_default();
        let is_required =
            schema["required"].as_array().is_some_and(|it| it.contains(&Value::from(name)));
        let is_there = match (properties.contains_key(name), is_required) {
            (_, true) => 0.98,
            (true, false) => 0.6,
            (false, false) => 0.03,
        };
        let pair = instance(&of, root).prop_map(move |it| (name.to_owned(), it));
        pairs.push(proptest::option::weighted(is_there, pair).boxed());
    }
    pairs.prop_map(|it| Value::Object(it.into_iter().flatten().collect())).boxed()
}

/// Whether some number in it is beyond 64 bits, or beyond four digits after the point; told by its
/// plain digits.
fn has_inexact(value: &Value) -> bool {
    match value {
        Value::Number(it) => {
            let text = match it.as_f64().filter(|_| it.is_f64()) {
                Some(it) => format!("{it}"),
                None => it.to_string(),
            };
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            fraction.len() > 4 || whole.trim_start_matches('-').len() >= 15
        }
        Value::Array(items) => items.iter().any(has_inexact),
        Value::Object(members) => members.values().any(has_inexact),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn whatever_a_schema_admits_can_be_asked_about(
        (schema, arguments) in root().prop_flat_map(|root| {
            let arguments = proptest::collection::vec(instance(&root, &root), 8);
            (Just(root), arguments)
        })
    ) {
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let (generated, _, cedar, call) = typed("pay", &schema);
        prop_assert_eq!(&call.input, &generated.input);
        for it in arguments.iter().filter(|it| it.is_object() && validator.is_valid(it)) {
            if let Err(unfit) = asked(&cedar, &call, it) {
                prop_assert!(has_inexact(it), "{}\nabout {}\nof {}", unfit, it, schema);
            }
        }
    }

    #[test]
    fn nothing_makes_it_fail(schema in anything(), arguments in anything(), root in root()) {
        typed("pay", &schema);
        let (.., call) = typed("pay", &root);
        let _ = call.input_of(&arguments);
    }
}
