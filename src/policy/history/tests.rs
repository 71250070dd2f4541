use super::super::load::Sources;
use super::super::tests::{shown, sources};
use super::super::typed;
use super::*;
use crate::authz::uid;
use crate::policy::Bundle;

const THREE: &str = r#"
[history.tests_passed]
action = "invoke"
tool = "Run_Tests"
outcome = "success"
within = "1h"

[history.customers]
action = "invoke"
set = "customer-records"
count = "distinct"
of = "/customer_id"
per = "session"

[history.paid]
action = "invoke"
count = "sum"
of = "/amount"
within = "24h"
"#;

fn with(history: &str, policy: &str) -> Result<Bundle, Vec<Fault>> {
    let mut sources = Sources {
        history: Some(SourceFile::new("policies", "history.toml", history)),
        ..sources()
    };
    if !policy.is_empty() {
        sources.policies.push(SourceFile::new("policies", "90-ours.cedar", policy));
    }
    Bundle::from_sources(sources)
}

/// Without the policies, whose check takes much longer.
fn parsed(history: &str) -> Result<Declared, Vec<Fault>> {
    Declared::parse(Some(&SourceFile::new("policies", "history.toml", history)))
}

fn faults(history: &str) -> String {
    let faults = parsed(history).err().unwrap_or_default();
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn forbid(action: &str, condition: &str) -> String {
    format!(
        "@id(\"ours.x\") @title(\"A rule of ours\")\nforbid (principal, action in \
         Gatewright::Action::\"{action}\", resource)\n{condition};"
    )
}

fn read(bundle: &Bundle, action: &str) -> Vec<String> {
    bundle.past().read_by(&uid::action(action), |_| true).map(|it| it.name.clone()).collect()
}

#[test]
fn a_declaration_is_read_as_it_is_meant() {
    let declared = parsed(THREE).unwrap();
    let [customers, paid, tests] = declared.facts() else { panic!("three") };
    assert_eq!((customers.name.as_str(), customers.line), ("customers", 8));
    assert_eq!(customers.count, Count::Distinct("/customer_id".to_owned()));
    assert_eq!((customers.per, customers.within), (Per::Session, None));
    assert_eq!(customers.set.as_deref(), Some("customer-records"));
    assert_eq!((paid.ending, paid.per), (Ending::Any, Per::Principal));
    assert_eq!(paid.within, Some(86_400_000_000));
    assert_eq!(tests.tool.as_deref(), Some("run_tests"), "names are alike in any case");
    assert_eq!((tests.ending, &tests.count), (Ending::Success, &Count::Calls));
    let nothing = serde_json::to_value(declared.nothing()).unwrap();
    let zeros = serde_json::json!({ "customers": 0, "paid": "0.0000", "tests_passed": 0 });
    assert_eq!(nothing, zeros);
}

#[test]
fn a_count_is_the_same_by_another_name_and_window_and_by_nothing_else() {
    let one = |text: &str| parsed(text).unwrap().facts()[0].key();
    let base = "[history.x]\naction = \"invoke\"\ntool = \"a\"\nwithin = \"1h\"";
    let same =
        "[history.y]\ntool = \"A\"\naction = \"invoke\"\nwithin = \"2h\"\nper = \"principal\"";
    assert_eq!(one(base), one(same));
    for other in [
        base.replace("tool", "set"),
        base.replace("\"a\"", "\"b\""),
        base.replace("invoke", "request_credential"),
        format!("{base}\nper = \"user\""),
        format!("{base}\noutcome = \"success\""),
        format!("{base}\ncount = \"sum\"\nof = \"/a\""),
        format!("{base}\ncount = \"distinct\"\nof = \"/a\""),
    ] {
        assert_ne!(one(base), one(&other), "{other}");
    }
}

#[test]
fn what_is_wrong_with_a_declaration_is_told_at_its_place_with_its_mend() {
    for (text, told) in [
        ("[histry.x]", "1:2: unknown field `histry`"),
        (
            "[history.x]\nactoin = \"invoke\"",
            "2:1: there is no field `actoin`; did you mean `action`?",
        ),
        (
            "[history.x]\naction = \"invokes\"",
            "2:10: `action` cannot be `invokes`; did you mean `invoke`?",
        ),
        ("[history.x]\naction = 7", "2:10: `action` is not a text"),
        ("[history.x]\nwithin = \"1h\"", "1:10: `x` does not say what it counts"),
        ("[history.x]\naction = \"invoke\"", "1:10: it does not say how far back it looks"),
        ("[history.x]\naction = \"invoke\"\nwithin = \"soon\"", "3:10: `soon` is no time"),
        ("[history.x]\naction = \"invoke\"\nwithin = \"91d\"", "`91d` is not between 1s and 90d"),
        ("[history.x]\naction = \"invoke\"\nwithin = \"0s\"", "`0s` is not between 1s and 90d"),
        ("[history.x]\naction = \"invoke\"\nwithin = \"-1s\"", "`-1s` is no time"),
        ("[history.x]\naction = \"invoke\"\nwithin = \"99999999999999d\"", "is no time"),
        (
            "[history.x]\naction = \"invoke\"\nper = \"usr\"\nwithin = \"1h\"",
            "did you mean `user`?",
        ),
        (
            "[history.x]\naction = \"invoke\"\nper = \"session\"\ncount = \"sum\"",
            "does not say of what",
        ),
        (
            "[history.x]\naction = \"invoke\"\nper = \"session\"\nof = \"/a\"",
            "calls are only counted",
        ),
        (
            "[history.x]\naction = \"invoke\"\nper = \"session\"\ncount = \"sum\"\nof = \"amount\"",
            "`amount` is no JSON pointer",
        ),
        (
            "[history.x]\naction = \"invoke\"\nper = \"session\"\ncount = \"sum\"\nof = \"/a~2\"",
            "`/a~2` is no JSON pointer",
        ),
        (
            "[history.x]\naction = \"request_credential\"\nper = \"session\"\ncount = \"sum\"\nof = \"/a\"",
            "a credential has no arguments",
        ),
        (
            "[history.x]\naction = \"invoke\"\nper = \"session\"\ntool = \"a\"\nset = \"b\"",
            "5:7: both `tool` and `set`",
        ),
        (
            "[history.has]\naction = \"invoke\"\nper = \"session\"",
            "a policy cannot say `context.history.has`",
        ),
        ("[history.\"a b\"]\naction = \"invoke\"\nper = \"session\"", "a policy cannot say"),
        ("[history.1a]\naction = \"invoke\"\nper = \"session\"", "a policy cannot say"),
    ] {
        let found = faults(text);
        assert!(found.starts_with("policies/history.toml:"), "{text}: {found}");
        assert!(found.contains(told), "{text}: {found}");
    }
    let many = |n: usize| -> String {
        (0..n)
            .map(|n| format!("[history.x{n}]\naction = \"invoke\"\nper = \"session\"\n"))
            .collect()
    };
    assert_eq!(faults(&many(32)), "");
    assert!(faults(&many(33)).contains("more than 32 facts"));
    assert!(shown(with("[history.x]", "")).starts_with("policies/history.toml:1:10: "));
}

#[test]
fn a_policy_reads_what_is_declared_in_its_type_and_nothing_else() {
    let sound = forbid("call", "when { context.history.customers > 3 }");
    assert_eq!(read(&with(THREE, &sound).unwrap(), "invoke"), ["customers"]);
    for (condition, told) in [
        ("when { context.history.custmers > 3 }", "did you mean `customers`?"),
        ("when { context.history.paid > 3 }", "90-ours.cedar:3:8"),
        ("when { context.history.paid.greaterThan(decimal(\"1000.00\")) }", ""),
    ] {
        let found = shown(with(THREE, &forbid("call", condition)));
        assert!(
            found.contains(told) && found.is_empty() == told.is_empty(),
            "{condition}: {found}"
        );
    }
    let found = shown(with("", &forbid("call", "when { context.history.customers > 3 }")));
    assert!(found.starts_with("policies/90-ours.cedar:3:8: ours.x: attribute"), "{found}");
    let admin = forbid("manage", "when { context.history.customers > 3 }");
    assert!(!shown(with(THREE, &admin)).is_empty(), "managing has no history");
}

#[test]
fn a_schema_without_a_place_for_facts_is_refused() {
    let history = Some(SourceFile::new("policies", "history.toml", THREE));
    let mut sources = Sources { history, ..sources() };
    for file in &mut sources.schema {
        file.text = file
            .text
            .replace("type History = {};", "type Past = {};")
            .replace("history: History", "history: Past");
    }
    let found = shown(Bundle::from_sources(sources));
    assert!(found.contains("the schema has no type `History`"), "{found}");
}

#[test]
fn readers_are_known_by_action_and_by_fact() {
    let bundle = with(THREE, &forbid("call", "when { context.history.customers > 3 }")).unwrap();
    assert_eq!(read(&bundle, "invoke"), ["customers"]);
    assert!(read(&bundle, "request_credential").is_empty());
    assert!(read(&bundle, "discover_tool").is_empty());
    for (condition, facts) in [
        ("unless { context.history.tests_passed >= 1 }", &["tests_passed"][..]),
        (
            "when { context.history has customers && context.history.tests_passed == 0 }",
            &["customers", "tests_passed"],
        ),
        ("when { context has history.paid }", &["paid"]),
    ] {
        let found = with(THREE, &forbid("use", condition));
        let Ok(bundle) = found else { panic!("{condition}: {}", shown(found)) };
        assert_eq!(read(&bundle, "invoke"), facts, "{condition}");
        assert_eq!(read(&bundle, "request_credential"), facts, "{condition}");
    }
    let tagged = forbid("call", "when { context.history.customers > 3 }")
        .replace("resource)", "resource in Gatewright::ToolSet::\"records\")");
    let bundle = with(THREE, &tagged).unwrap();
    let within = |tag: &str| {
        let set = uid::uid(uid::Kind::ToolSet, tag);
        bundle.past().read_by(&uid::action("invoke"), |it| *it == set).count()
    };
    assert_eq!((within("records"), within("others")), (1, 0));
    let template = "@id(\"ours.t\") @title(\"A grant of ours\") permit (principal == ?principal, action \
         in Gatewright::Action::\"call\", resource) when { context.history.customers <= 3 };";
    assert_eq!(read(&with(THREE, template).unwrap(), "invoke"), ["customers"]);
}

#[test]
fn a_typed_call_has_its_history_too() {
    let schema = serde_json::json!({
        "type": "object", "properties": { "amount": { "type": "integer" } }, "required": ["amount"],
    });
    let history = Some(SourceFile::new("policies", "history.toml", THREE));
    let mut sources = Sources { history, ..sources() };
    let generated = ("pay".to_owned(), typed::generate("pay", &schema));
    let text = typed::schema_of(&[generated], &sources.schema).unwrap();
    sources.schema.push(SourceFile::new("schemas", "tools.cedarschema", text));
    let rule = forbid("call", "when { context.input.amount > 9 && context.history.customers > 3 }")
        .replace("action in", "action ==")
        .replace("Action::\"call\"", "Action::\"call:pay\"");
    sources.policies.push(SourceFile::new("policies", "90-ours.cedar", rule));
    let bundle = Bundle::from_sources(sources).unwrap();
    let typed = bundle.typed_call("pay").unwrap();
    assert_eq!(bundle.past().read_by(&typed.action, |_| true).count(), 1);
    assert!(read(&bundle, "invoke").is_empty(), "it is about that tool alone");
}

#[test]
fn rows_say_what_happened_before() {
    let rule = forbid("call", "when { context.history.customers > 3 }");
    let row = |customers: u64, expect: &str| {
        serde_json::json!({
            "name": expect, "principal": "User:uma", "action": "invoke", "resource": "Tool:calc",
            "facts": { "token": ["agent:calc"], "history": { "customers": customers } },
            "expect": expect,
        })
    };
    let found = |rows: serde_json::Value| {
        let mut sources = Sources::starter();
        sources.history = Some(SourceFile::new("policies", "history.toml", THREE));
        sources.policies.push(SourceFile::new("policies", "90-ours.cedar", &rule));
        let tests = sources.tests.as_mut().unwrap();
        tests.tables = vec![SourceFile::new("policies", "tests/ours.json", rows.to_string())];
        shown(Bundle::from_sources(sources))
    };
    assert_eq!(found(serde_json::json!([row(3, "allow"), row(4, "deny")])), "");
    assert!(found(serde_json::json!([row(4, "allow")])).contains("ours.json"));
}

#[test]
fn what_includes_the_request_itself_may_only_take_away() {
    let permit = |condition: &str| {
        let text = "@id(\"ours.x\") @title(\"A grant of ours\") permit (principal is \
                    Gatewright::Agent, action in Gatewright::Action::\"call\", resource)";
        shown(with(THREE, &format!("{text} when {{ {condition} }};")))
    };
    assert_eq!(permit("context.history.customers <= 3"), "");
    assert_eq!(permit("context.history.tests_passed >= 1"), "", "its past has ended");
    assert_eq!(permit("context.history.tests_passed <= 1"), "");
    assert_eq!(permit("context.history.paid.lessThanOrEqual(decimal(\"1.0\"))"), "");
    for condition in [
        "context.history.customers >= 3",
        "context.history.customers == 1",
        "context.history.paid.greaterThan(decimal(\"1.0\"))",
    ] {
        let found = permit(condition);
        assert!(
            found.contains("[monotone]") && found.contains("`outcome`"),
            "{condition}: {found}"
        );
    }
}

#[test]
fn a_fact_that_nobody_reads_is_worth_a_word() {
    let bundle = with(THREE, &forbid("call", "when { context.history.customers > 3 }")).unwrap();
    let warnings: Vec<String> = bundle.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    let (paid, tests) = (&warnings[0], &warnings[1]);
    assert!(
        paid.starts_with(
            "policies/history.toml:15:1: warning: no policy reads `context.history.paid`"
        ),
        "{paid}"
    );
    assert!(tests.starts_with("policies/history.toml:2:1: "), "{tests}");
    assert!(Bundle::starter().unwrap().warnings().is_empty());
}
