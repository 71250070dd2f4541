//! What holders may narrow to, and the checks that say so: the same text in every language.

use serde_json::{Value, json};

use super::super::attenuate::{Admits, ArgumentCheck, Narrowing, attenuate};
use super::issuer::{HOLDER, draft, later, mint, narrow, read, seal};

pub(super) fn all() -> Vec<Value> {
    let scopes = |it: &[&str]| Narrowing {
        scopes: Some(it.iter().map(|it| (*it).to_owned()).collect()),
        ..Narrowing::default()
    };
    let until = |seconds| Narrowing { expires_at: Some(later(seconds)), ..Narrowing::default() };
    let argument = |pointer: &str, admits| Narrowing {
        arguments: vec![ArgumentCheck { pointer: pointer.to_owned(), admits }],
        ..Narrowing::default()
    };
    let number = |it: f64| serde_json::Number::from_f64(it).unwrap();
    let everything = Narrowing {
        holder: Some(HOLDER.to_owned()),
        expires_at: until(60).expires_at,
        arguments: argument("/lang", Admits::Equal(json!("de"))).arguments,
        ..scopes(&["read"])
    };
    let holder = Narrowing { holder: Some(HOLDER.to_owned()), ..Narrowing::default() };
    let mut cases: Vec<Value> = vec![
        written("one scope", &scopes(&["read"])),
        written("all scopes", &scopes(&["translate", "read"])),
        written("an earlier expiry", &until(60)),
        written("another key", &holder),
        written("equal text", &argument("/lang", Admits::Equal(json!("de \"x\"\\")))),
        written("an equal flag", &argument("/dry_run", Admits::Equal(json!(true)))),
        written("an equal integer", &argument("/count", Admits::Equal(json!(7)))),
        written("an equal decimal", &argument("/rate", Admits::Equal(json!(0.05)))),
        written("a prefix", &argument("/url", Admits::Prefix("https://".to_owned()))),
        written("at most an integer", &argument("/amount", Admits::AtMost(500.into()))),
        written("at most a decimal", &argument("/amount", Admits::AtMost(number(0.05)))),
        written("at least a negative", &argument("/amount", Admits::AtLeast(number(-1.5)))),
        written("at least an integer", &argument("/a~1b/0", Admits::AtLeast(3.into()))),
        written("one of many", &argument("/lang", Admits::OneOf(vec![json!("de"), json!(4)]))),
        written("everything at once", &everything),
    ];
    cases.extend([
        refused("nothing", &mint(&draft()), &Narrowing::default(), "nothing"),
        refused("no scopes", &mint(&draft()), &scopes(&[]), "no_scopes"),
        refused(
            "a scope that was not granted",
            &mint(&draft()),
            &scopes(&["admin"]),
            "not_granted",
        ),
        refused("a sealed credential", &seal(&mint(&draft())), &scopes(&["read"]), "sealed"),
        refused("a comparison with null", &mint(&draft()), &equal_null(), "value"),
        refused(
            "five decimals",
            &mint(&draft()),
            &argument("/amount", Admits::AtMost(number(0.00005))),
            "number",
        ),
    ]);
    cases
}

fn equal_null() -> Narrowing {
    let check = ArgumentCheck { pointer: "/a".to_owned(), admits: Admits::Equal(Value::Null) };
    Narrowing { arguments: vec![check], ..Narrowing::default() }
}

fn written(name: &str, narrowing: &Narrowing) -> Value {
    let token = mint(&draft());
    let block = read(&narrow(&token, narrowing)).print_block_source(1).unwrap();
    let checks: Vec<&str> = block.lines().map(|it| it.trim_end_matches(';')).collect();
    let expected = json!({ "checks": checks });
    json!({ "name": name, "token": token, "narrowing": as_json(narrowing), "expected": expected })
}

fn refused(name: &str, token: &str, narrowing: &Narrowing, fault: &str) -> Value {
    assert!(attenuate(token, narrowing).is_err(), "{name}");
    let expected = json!({ "fault": fault });
    json!({ "name": name, "token": token, "narrowing": as_json(narrowing), "expected": expected })
}

/// In the words of `POST /api/v1/tools/{tool}/access`.
fn as_json(it: &Narrowing) -> Value {
    let mut json = serde_json::Map::new();
    if let Some(scopes) = &it.scopes {
        json.insert("scopes".to_owned(), json!(scopes));
    }
    if let Some(at) = it.expires_at {
        json.insert("expires_at".to_owned(), json!(at));
    }
    if !it.arguments.is_empty() {
        let constraints = it.arguments.iter().map(constraint);
        json.insert("constraints".to_owned(), constraints.collect());
    }
    if let Some(key) = &it.holder {
        json.insert("holder_key".to_owned(), json!(key));
    }
    json.into()
}

fn constraint(it: &ArgumentCheck) -> Value {
    let pointer = &it.pointer;
    match &it.admits {
        Admits::Equal(value) => json!({ "pointer": pointer, "equal": value }),
        Admits::OneOf(values) => json!({ "pointer": pointer, "one_of": values }),
        Admits::AtMost(limit) => json!({ "pointer": pointer, "at_most": limit }),
        Admits::AtLeast(limit) => json!({ "pointer": pointer, "at_least": limit }),
        Admits::Prefix(text) => json!({ "pointer": pointer, "prefix": text }),
    }
}
