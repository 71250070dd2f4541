//! Rules about the arguments of one tool, and what becomes of them when the tool changes.

use serde_json::json;

use super::registry::{Registered, pay};
use super::{shown, sources, surveyed, with};
use crate::policy::Bundle;
use crate::policy::load::{SourceFile, Sources};

/// A rule about calls of `pay`, its condition on the fourth line.
fn about_pay(condition: &str) -> String {
    rule_about_pay("ours.pay", condition)
}

fn rule_about_pay(id: &str, condition: &str) -> String {
    format!(
        "@id(\"{id}\")\n@title(\"Small amounts only\")\nforbid (principal, action == \
         Gatewright::Action::\"call:pay\", resource)\nunless {{ {condition} }};\n"
    )
}

const LIMIT: &str = "context.input.amount.lessThanOrEqual(decimal(\"500.00\"))";

#[test]
fn a_rule_may_look_at_arguments_as_the_schema_has_them() {
    let conditions = [
        LIMIT,
        "context.input.count <= 500",
        "context.input.currency == Gatewright::Input::pay::currency::\"EUR\"",
        "context.input has memo && context.input.memo like \"ref *\"",
        "[Gatewright::Input::pay::currency::\"EUR\"].contains(context.input.currency)",
        "context.call.confirmed && context.usage.calls_today <= 5",
    ];
    let rules = conditions.iter().enumerate();
    let rules = rules.map(|(number, it)| rule_about_pay(&format!("ours.{number}"), it));
    let bundle = surveyed(&rules.collect::<String>()).unwrap_or_else(|it| panic!("{it:?}"));
    assert!(bundle.typed_call("PAY").is_some());
    assert!(bundle.typed_call("calc").is_none());
    assert_eq!(bundle.about_calls_of("pay").len(), conditions.len());
}

#[test]
fn a_rule_about_what_is_not_there_is_refused_where_it_stands() {
    let table = [
        ("context.input.amuont == decimal(\"1.0\")", 10, "`input.amuont` in context"),
        ("context.input.free == 1", 10, "`input.free` in context"),
        ("context.input.memo == \"x\"", 10, "optional attribute `input.memo`"),
        (
            "context.input.currency == Gatewright::Input::pay::currency::\"GBP\"",
            36,
            "`Gatewright::Input::pay::currency::\"GBP\"` is of an enumerated entity type",
        ),
        ("context.input.currency == \"EUR\"", 10, ""),
        ("context.input.amount <= 500", 10, "decimal"),
        ("context.input.count.lessThan(decimal(\"1.0\"))", 10, "decimal"),
    ];
    let rules = table.iter().enumerate();
    let rules = rules.map(|(number, it)| rule_about_pay(&format!("ours.{number}"), it.0));
    let found = shown(surveyed(&rules.collect::<String>()));
    for (number, (condition, column, says)) in table.iter().enumerate() {
        let head = format!("policies/90-ours.cedar:{}:{column}: ours.{number}: ", number * 4 + 4);
        let line = found.lines().find(|it| it.starts_with(&head));
        let line = line.unwrap_or_else(|| panic!("{condition}: {head}\n{found}"));
        assert!(line.contains(says), "{condition}:\n{line}");
    }
}

#[test]
fn a_tool_that_nobody_knows_is_refused_where_it_is_named() {
    let unknown = about_pay("true").replace("call:pay", "call:pey");
    assert_eq!(
        shown(surveyed(&unknown)),
        "policies/90-ours.cedar:3:50: ours.pay: no registered tool `pey`; did you mean `pay`?"
    );
    let shouted = about_pay("true").replace("call:pay", "call:PAY");
    let found = shown(surveyed(&shouted));
    assert!(found.contains("the tool is called `pay`; write `call:pay`"), "{found}");
    let found = shown(with(&about_pay("true")));
    assert!(found.contains("the types of the tool `pay` are not known here"), "{found}");
    assert!(found.contains("--url"), "{found}");
}

#[test]
fn a_rule_about_calls_is_about_all_of_them() {
    let policies = [
        "forbid (principal, action == Gatewright::Action::\"invoke\", resource);",
        "forbid (principal, action in [Gatewright::Action::\"view_tool\", Gatewright::Action::\"invoke\"], resource);",
        "forbid (principal, action, resource) when { action == Gatewright::Action::\"invoke\" };",
        "permit (principal in ?principal, action == Gatewright::Action::\"invoke\", resource in ?resource);",
    ];
    let text = policies
        .iter()
        .enumerate()
        .map(|(number, it)| format!("@id(\"ours.{number}\") @title(\"A rule of ours\") {it}\n"));
    let found = shown(with(&text.collect::<String>()));
    for (number, policy) in policies.iter().enumerate() {
        let head = format!("policies/90-ours.cedar:{}:", number + 1);
        let line = found.lines().find(|it| it.starts_with(&head));
        let line = line.unwrap_or_else(|| panic!("{policy}: {found}"));
        assert!(line.contains("[typed-calls]; say `action in"), "{policy}: {line}");
    }
}

#[test]
fn a_bundle_keeps_the_types_it_was_checked_with() {
    let bundle = surveyed(&about_pay(LIMIT)).unwrap();
    let kept = bundle.sources().clone();
    let file = kept.schema.iter().find(|it| it.name == "generated/tools.cedarschema").unwrap();
    assert!(file.text.contains("amount: decimal"), "{}", file.text);
    // Whatever has become of the registry.
    let again = Bundle::tested_before(kept.clone()).unwrap();
    assert_eq!(again.digest(), bundle.digest());
    assert_eq!(again.typed_call("pay"), bundle.typed_call("pay"));

    let mut other = kept;
    other.schema.retain(|it| it.name != "generated/tools.cedarschema");
    assert!(Bundle::tested_before(other).is_err(), "without them nobody knows what was meant");
}

#[test]
fn an_author_may_keep_the_types() {
    let types = surveyed(&about_pay(LIMIT)).unwrap().sources().schema.clone();
    let mut text = types.iter().find(|it| it.name.starts_with("generated")).unwrap().text.clone();
    let mut own = sources();
    own.policies.push(SourceFile::new("policies", "90-ours.cedar", about_pay(LIMIT)));
    own.schema.push(SourceFile::new("schemas", "tools.cedarschema", text.clone()));
    let bundle = Bundle::from_sources(own.clone()).unwrap();
    assert!(bundle.sources().schema.iter().all(|it| !it.name.starts_with("generated")));
    assert_eq!(bundle.warnings(), []);

    // What is kept and what is registered may come apart.
    text = text.replace("amount: decimal", "amount?: decimal");
    own.schema.pop();
    own.schema.push(SourceFile::new("schemas", "tools.cedarschema", text));
    let found = shown(Bundle::from_sources(own.clone()));
    assert!(found.contains("optional attribute `input.amount`"), "{found}");
    own.policies.pop();
    let guarded = about_pay(&format!("context.input has amount && {LIMIT}"));
    own.policies.push(SourceFile::new("policies", "90-ours.cedar", guarded));
    let landscape = Registered;
    let bundle = Bundle::surveyed(own, &landscape).unwrap();
    let stale: Vec<_> = bundle.warnings().iter().filter(|it| it.rule == "stale-types").collect();
    assert_eq!(stale.len(), 1, "{:?}", bundle.warnings());
}

#[test]
fn a_tool_becomes_nothing_that_its_policies_do_not_fit() {
    let bundle = surveyed(&about_pay(LIMIT)).unwrap();
    bundle.fits("pay", &pay()).unwrap();
    bundle.fits("calc", &json!({})).unwrap();
    let changed = |name: &str, to: serde_json::Value| {
        let mut schema = pay();
        schema["properties"][name] = to;
        bundle.fits("Pay", &schema)
    };
    changed("memo", json!({ "type": "integer" })).unwrap();
    changed("more", json!({ "type": "integer" })).unwrap();
    for (to, says) in [
        (json!({ "type": "integer" }), "decimal"),
        (json!({ "type": "string" }), "decimal"),
        (json!({}), "`input.amount` in context"),
        (json!({ "type": ["number", "null"] }), "optional attribute `input.amount`"),
    ] {
        let faults = changed("amount", to.clone()).unwrap_err();
        let fault = faults[0].to_string();
        assert!(fault.starts_with("policies/90-ours.cedar:4:"), "{fault}");
        assert!(fault.contains("ours.pay") && fault.contains(says), "{to}: {fault}");
    }
}

#[test]
fn a_row_about_a_call_is_asked_as_the_call_is() {
    let rows = |row: &str| {
        let table = format!(
            "[[test]]\nname = \"one\"\nprincipal = \"Agent:bot\"\naction = \"invoke\"\n\
             resource = \"Tool:pay\"\ntoken = [\"agent:execute\"]\n\
             change.\"Tool:pay\" = {{ risk = \"low\", consequential = false }}\n{row}\n"
        );
        let mut sources = sources();
        let mut tests = Sources::starter().tests.unwrap();
        tests.tables = vec![SourceFile::new("policies", "tests/ours.toml", table)];
        sources.tests = Some(tests);
        sources.policies.push(SourceFile::new("policies", "90-ours.cedar", about_pay(LIMIT)));
        shown(Bundle::surveyed(sources, &Registered))
    };
    let arguments = |amount: &str| {
        format!("arguments = {{ amount = {amount}, count = 1, currency = \"EUR\" }}\n")
    };
    let much = arguments("501");
    assert_eq!(rows(&format!("{much}expect = \"deny\"\nby = [\"ours.pay\"]")), "");
    let wrong = rows(&format!("{much}expect = \"allow\""));
    assert!(wrong.contains("expected allow, got deny by [\"ours.pay\"]"), "{wrong}");
    assert_eq!(rows(&format!("{}expect = \"allow\"", arguments("500"))), "");
    assert_eq!(rows("arguments = { amount = 1 }\nexpect = \"impossible\""), "");
}
