use serde_json::{Value, json};

use super::{asked, typed};

fn pay() -> Value {
    json!({
        "type": "object",
        "required": ["amount", "currency", "to", "parts"],
        "additionalProperties": true,
        "properties": {
            "amount": { "type": "number" },
            "count": { "type": "integer" },
            "currency": { "type": "string", "enum": ["EUR", "US\"D"] },
            "urgent": { "type": "boolean" },
            "memo": { "type": ["string", "null"] },
            "due": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
            "labels": { "type": "array", "items": { "enum": ["a", "b"] } },
            "to": { "$ref": "#/$defs/account" },
            "parts": { "type": "array", "items": { "type": "object", "properties": {} } },
            "any": {},
            "either": { "oneOf": [{ "type": "string" }, { "type": "integer" }] },
            "map": { "type": "object", "additionalProperties": { "type": "string" } },
            "__entity": { "type": "string" },
            "in": { "const": "x" },
            "what-for": { "type": "string" },
        },
        "$defs": { "account": {
            "type": "object",
            "required": ["iban"],
            "properties": {
                "iban": { "type": "string" },
                "kind": { "enum": ["own", "other"] },
            },
        } },
    })
}

#[test]
fn a_schema_becomes_types_that_cedar_can_check() {
    let (generated, text, _, call) = typed("pay", &pay());
    assert_eq!(call.input, generated.input, "what is written is what is read");
    for line in [
        r#"action "call:pay" in"#,
        "input: Gatewright::Input::pay::Input",
        "amount: decimal",
        "count?: Long",
        "currency: currency",
        "due?: String",
        "labels?: Set<labels>",
        "memo?: String",
        "urgent?: Bool",
        "iban: String",
        "kind?: to_kind",
        r#""what-for"?: String"#,
        r#"entity currency enum ["EUR", "US\"D"];"#,
        r#"entity labels enum ["a", "b"];"#,
        r#"entity in_2 enum ["x"];"#,
        "confirmed: Bool",
    ] {
        assert!(text.contains(line), "`{line}` is not in:\n{text}");
    }
    let left_out: Vec<&str> = generated.left_out.iter().map(|(it, _)| it.as_str()).collect();
    assert_eq!(left_out, ["/__entity", "/any", "/either", "/map", "/parts"]);
    assert!(text.contains("// pay: no type for /map: it is free in form"), "{text}");
}

#[test]
fn arguments_fit_or_are_refused_where_they_do_not() {
    let (_, _, schema, call) = typed("pay", &pay());
    let good = json!({
        "amount": 499, "currency": "EUR", "to": { "iban": "x", "more": 1 }, "parts": [],
        "memo": null, "due": "now", "labels": ["a", "a"], "in": "x", "what-for": "", "free": [1],
    });
    asked(&schema, &call, &good).unwrap();
    for (key, value, pointer, says) in [
        ("amount", json!(1.00005), "/amount", "4 digits"),
        ("amount", json!(1e15), "/amount", "4 digits"),
        ("amount", json!("499"), "/amount", "must be a number"),
        ("amount", Value::Null, "/amount", "must be a number"),
        ("count", json!(u64::MAX), "/count", "64 bits"),
        ("count", json!(1.5), "/count", "whole number"),
        ("currency", json!("GBP"), "/currency", "none of the words"),
        ("labels", json!(["a", "c"]), "/labels/1", "none of the words"),
        ("to", json!({}), "/to/iban", "is missing"),
        ("to", json!([]), "/to", "must be an object"),
        ("urgent", json!(1), "/urgent", "true or false"),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        let unfit = asked(&schema, &call, &bad).unwrap_err();
        assert_eq!(unfit.pointer, pointer);
        assert!(unfit.to_string().contains(says), "{unfit}");
    }
}

#[test]
fn names_stay_names_whatever_they_are() {
    let odd = json!({ "properties": {
        "a-b": { "enum": ["x"] }, "a_b": { "enum": ["y"] }, "a b": { "enum": ["z"] },
        "Input": { "enum": ["i"] }, "String": { "enum": ["s"] }, "1st": { "enum": ["1"] },
        "tags": { "type": "string" }, "\"; forbid": { "type": "string" },
    } });
    let arguments = json!({ "a-b": "x", "a_b": "y", "a b": "z", "String": "s", "1st": "1" });
    // Words of the language are names of tools, too.
    for tool in ["pay", "Pay", "in", "like", "Long", "Input", "__cedar", "x__y"] {
        let (generated, _, schema, call) = typed(tool, &odd);
        assert_eq!(call.input, generated.input, "{tool}");
        assert_eq!(generated.left_out, [], "{tool}");
        asked(&schema, &call, &arguments).unwrap();
    }
}

#[test]
fn no_schema_is_too_much() {
    let wide: serde_json::Map<String, Value> =
        (0..500).map(|it| (format!("p{it:04}"), json!({ "type": "integer" }))).collect();
    let (generated, ..) = typed("wide", &json!({ "properties": wide }));
    assert_eq!(generated.input.len(), 100);
    assert_eq!(generated.left_out.len(), 400);

    let deep = (0..40).fold(
        json!({ "type": "string" }),
        |it, _| json!({ "type": "object", "properties": { "a": it } }),
    );
    let (generated, ..) = typed("deep", &deep);
    assert!(generated.input.is_empty(), "what is too deep is left out");

    let endless = json!({
        "properties": { "a": { "$ref": "#/$defs/a" }, "b": { "$ref": "#" } },
        "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } },
    });
    let (generated, ..) = typed("endless", &endless);
    assert!(generated.left_out.iter().any(|(it, _)| it == "/a"), "{generated:?}");

    let words: Vec<String> = (0..200).map(|it| it.to_string()).collect();
    let (_, text, ..) = typed("many", &json!({ "properties": { "a": { "enum": words } } }));
    assert!(text.contains("a?: String"), "{text}");
}

#[test]
fn facts_are_those_of_the_schema_at_hand() {
    let (_, text, ..) = typed("pay", &json!({ "properties": { "a": { "type": "integer" } } }));
    let newer = super::CORE.replace("confirmed: Bool", "confirmed: Bool, country?: String");
    let fragments = vec![super::fragment(&newer), super::fragment(&text)];
    let (fragments, _) = super::based(fragments).unwrap();
    let typed = fragments[1].clone().to_cedarschema().unwrap();
    assert!(typed.contains("country?: "), "{typed}");
}

#[test]
fn a_declaration_that_nothing_fits_is_refused() {
    for (input, says) in [
        ("{ input: { at: ipaddr } }", "cannot be converted to `ipaddr`"),
        ("{ input: Long }", "no record"),
        ("{ input: { who: User } }", "no list of words"),
        ("{ other: Long }", "its context has none"),
    ] {
        let text = format!(
            "namespace Gatewright {{ action \"call:x\" in [\"call\"] appliesTo {{ principal: [User], \
             resource: [Tool], context: {input} }}; }}"
        );
        let refused = super::based(vec![super::fragment(super::CORE), super::fragment(&text)]);
        let problem = refused.unwrap_err();
        assert!(problem.contains(says) && problem.contains("call:x"), "{problem}");
    }
}
