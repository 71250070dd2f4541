//! Decimals and the past, held against a past that is known call by call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cedar_policy::Entity;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::follow::{allows, argument, later};
use super::scene::{Scene, reach};
use crate::authz::case::Case;
use crate::authz::explain::{Pace, Sight, cure, explain};
use crate::authz::facts::{Amount, History, Particulars, Tally};
use crate::authz::uid::{Kind, uid};
use crate::error::Fix;
use crate::policy::typed::{generate, schema_of};
use crate::policy::{Bundle, SourceFile, Sources};

const HISTORY: &str = r#"
[history.paid]
action = "invoke"
set = "payments"
count = "sum"
of = "/amount"
within = "24h"

[history.calls]
action = "invoke"
tool = "pay"
within = "1h"

[history.passed]
action = "invoke"
tool = "tests"
outcome = "success"
within = "2h"

[history.failed]
action = "invoke"
tool = "tests"
outcome = "failed"
within = "15m"
"#;

const RULES: &str = r#"
@id("own.most") @title("At most 500 at once")
forbid (principal, action == Gatewright::Action::"call:pay", resource)
when { context.input.amount.greaterThan(decimal("500.00")) };

@id("own.least") @title("Nothing below half a unit")
forbid (principal, action == Gatewright::Action::"call:pay", resource)
when { context.input.amount.lessThan(decimal("0.5")) };

@id("own.day") @title("Less than a thousand a day")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"payments")
when { context.history.paid.greaterThanOrEqual(decimal("1000.00")) };

@id("own.calls") @title("At most 4 an hour")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"payments")
when { context.history.calls > 4 };

@id("own.tested") @title("Tests come first")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"payments")
unless { context.history.passed >= 2 && context.history.failed < 2 };

@id("own.hours") @title("From eight to eight")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"payments")
unless {
  duration("8h") <= context.clock.local.time && context.clock.local.time < duration("20h")
};
"#;

fn bundle() -> &'static Bundle {
    static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| {
        let mut sources = Sources::starter();
        let schema = json!({
            "type": "object",
            "required": ["amount"],
            "properties": { "amount": { "type": "number" }, "pieces": { "type": "integer" } },
        });
        let types = schema_of(&[("pay".to_owned(), generate("pay", &schema))], &sources.schema);
        sources.schema.push(SourceFile::new("generated", "tools.cedarschema", types.unwrap()));
        sources.history = Some(SourceFile::new("policies", "history.toml", HISTORY));
        sources.policies.push(SourceFile::new("policies", "95-own.cedar", RULES));
        Bundle::tested_before(sources).unwrap()
    });
    &BUNDLE
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// So many cents.
    Paid(i64),
    Passed,
    Failed,
}

/// What happened, and how many seconds ago.
type Event = (What, i64);

/// A payment by an agent, of something that happened before, so many minutes after Monday began.
#[derive(Clone, Debug)]
struct Payment {
    amount: Value,
    minute: i64,
    events: Vec<Event>,
}

fn payment() -> impl Strategy<Value = Payment> {
    let amount = prop_oneof![
        (1..120_000_i64).prop_map(|cents| Value::from(cents as f64 / 100.0)),
        (1..1_200_i64).prop_map(Value::from),
        (0.0..1_200.0_f64).prop_map(Value::from),
    ];
    let what = prop_oneof![
        (100..50_000_i64).prop_map(What::Paid),
        select(vec![What::Passed, What::Failed, What::Passed]),
    ];
    let events = prop::collection::vec((what, 1..100_000_i64), 0..8);
    let often = prop::collection::vec((Just(What::Paid(100)), 1..3_600_i64), 0..6);
    let tested = any::<bool>();
    (amount, 0..10_080_i64, events, often, tested).prop_map(
        |(amount, minute, events, often, tested)| {
            let tested = if tested { vec![(What::Passed, 60); 2] } else { Vec::new() };
            let often = if minute % 2 == 0 { often } else { Vec::new() };
            Payment { amount, minute, events: [events, often, tested].concat() }
        },
    )
}

impl Payment {
    fn case(&self) -> Case {
        let mut case = Scene { minute: self.minute, ..Scene::plain() }.case();
        let (tool, attributes, _) = case.entity(&case.resource).unwrap().clone().into_inner();
        let sets = [uid(Kind::ToolSet, "payments")].into();
        case = case.about(Entity::new(tool, attributes, sets).unwrap());
        let Particulars::Call { call, .. } = &mut case.facts.particulars else { panic!("no call") };
        call.tool_name = Some("pay".into());
        call.arguments = json!({ "amount": self.amount });
        case.facts.history = Some(counted(&self.events, &case));
        case
    }
}

/// What the store would count, this call among it.
fn counted(events: &[Event], case: &Case) -> History {
    let Particulars::Call { call, .. } = &case.facts.particulars else { panic!("no call") };
    let own = Amount::of(&call.arguments["amount"]).unwrap_or(Amount::ZERO).units();
    let within = |seconds: i64| events.iter().filter(move |it| it.1 < seconds).map(|it| it.0);
    let paid = within(86_400).map(|it| if let What::Paid(cents) = it { cents * 100 } else { 0 });
    let calls = within(3_600).filter(|it| matches!(it, What::Paid(_))).count() as u64;
    let of = |what, seconds| Tally::Count(within(seconds).filter(|it| *it == what).count() as u64);
    [
        ("paid", Tally::Sum(Amount::of_units(paid.sum::<i64>() + own))),
        ("calls", Tally::Count(calls + 1)),
        ("passed", of(What::Passed, 7_200)),
        ("failed", of(What::Failed, 900)),
    ]
    .map(|(name, it)| (name.to_owned(), it))
    .into_iter()
    .collect()
}

/// The request of somebody who did what is said: waits first, and has done by then what has to
/// come before.
fn after(case: &Case, events: &[Event], fixes: &[&Fix]) -> Case {
    let (mut case, mut events) = (case.clone(), events.to_vec());
    let of = |kinds: &'static [&'static str]| {
        fixes.iter().filter(move |it| kinds.contains(&it.kind.as_str()))
    };
    for it in of(&["wait", "time"]) {
        let seconds = it.retry_after_seconds.unwrap() as i64;
        events.iter_mut().for_each(|it| it.1 += seconds);
        case = later(&case, seconds);
    }
    for it in of(&["history"]) {
        let value = it.value.as_ref().unwrap();
        assert_eq!(value["fact"], "passed");
        let Tally::Count(now) = counted(&events, &case).get("passed").unwrap() else { panic!() };
        for _ in now..value["at_least"].as_u64().unwrap() {
            events.push((What::Passed, 0));
        }
    }
    for it in of(&["argument"]) {
        case = argument(&case, it.pointer.as_ref().unwrap(), it.value.clone().unwrap());
    }
    assert_eq!(of(&["wait", "time", "history", "argument"]).count(), fixes.len());
    case.facts.history = Some(counted(&events, &case));
    case
}

fn check(it: &Payment) -> Result<Vec<Fix>, TestCaseError> {
    let (case, bundle) = (it.case(), bundle());
    let before = allows(&case, bundle);
    prop_assert_eq!(before, case.decide(bundle).is_ok_and(|it| it.allow));
    let cured = cure(&case, bundle, &reach(), Pace::Explanation);
    if before {
        prop_assert!(cured.fixes.is_empty());
        return Ok(cured.fixes);
    }
    let all: Vec<&Fix> = cured.fixes.iter().collect();
    let helped = after(&case, &it.events, &all);
    prop_assert!(allows(&helped, bundle), "it does not help: {:#?}", cured);
    let waits = all.iter().any(|it| it.retry_after_seconds.is_some());
    for left_out in 0..all.len() {
        // Whoever waits cannot be told whether what was counted is still there then.
        if waits && all[left_out].kind == "history" {
            continue;
        }
        let mut fewer = all.clone();
        fewer.remove(left_out);
        let fewer = after(&case, &it.events, &fewer);
        prop_assert!(!allows(&fewer, bundle), "{left_out} of {:#?}", cured.fixes);
    }
    Ok(cured.fixes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_named_helps_whatever_happened_before(it in payment()) {
        check(&it)?;
    }
}

#[test]
fn every_kind_is_named_and_something_helps_nearly_always() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut named, mut found, mut denied) = (BTreeMap::<String, usize>::new(), 0, 0);
    for _ in 0..150 {
        let it = payment().new_tree(&mut runner).unwrap().current();
        let fixes = check(&it).unwrap();
        denied += usize::from(!allows(&it.case(), bundle()));
        found += usize::from(!fixes.is_empty());
        for fix in fixes {
            *named.entry(fix.kind).or_default() += 1;
        }
    }
    let kinds: BTreeSet<&str> = named.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["argument", "history", "time", "wait"].into(), "{named:?}");
    assert!(found == denied && denied > 100, "{found} of {denied}: {named:?}");
}

/// At noon on Tuesday, after two tests that passed.
fn paying(amount: Value) -> Payment {
    Payment { amount, minute: 36 * 60, events: vec![(What::Passed, 60); 2] }
}

fn only(it: &Payment) -> Fix {
    let fixes = check(it).unwrap();
    assert_eq!(fixes.len(), 1, "{fixes:#?}");
    fixes[0].clone()
}

#[test]
fn an_amount_is_told_to_the_digit_that_it_is_written_with() {
    for (sent, value, detail) in [
        (json!(900.5), json!(500), "send at most 500 as `/amount`"),
        (json!(0.25), json!(0.5), "send at least 0.5 as `/amount`"),
        (json!(501), json!(500), "send at most 500 as `/amount`"),
    ] {
        let fix = only(&paying(sent));
        assert_eq!(
            (fix.kind.as_str(), fix.value, fix.detail.as_str()),
            ("argument", Some(value), detail)
        );
    }
    let spent = Payment {
        events: [paying(json!(1)).events, vec![(What::Paid(70_010), 9)]].concat(),
        ..paying(json!(400))
    };
    // 700.10 of less than a thousand are gone.
    assert_eq!(only(&spent).detail, "send at most 299.89 as `/amount`");
}

#[test]
fn what_is_left_is_sent_or_its_window_waited_for() {
    let spent = |cents: i64| {
        let mut it = paying(json!(5));
        it.events.push((What::Paid(cents), 9));
        it
    };
    let fix = only(&spent(99_800));
    assert_eq!(fix.detail, "send at most 1.99 as `/amount`");
    // Of what is left nothing may be sent; by the time that it is over, the tests may be, too.
    let fixes = check(&spent(99_950)).unwrap();
    let told: Vec<_> = fixes.iter().map(|it| (it.kind.as_str(), it.retry_after_seconds)).collect();
    assert_eq!(told, [("history", None), ("wait", Some(86_401))]);
}

#[test]
fn what_has_to_come_first_is_named() {
    let untested = Payment { events: vec![(What::Passed, 60)], ..paying(json!(1)) };
    let fix = only(&untested);
    assert_eq!(fix.kind, "history");
    let value = json!({ "fact": "passed", "at_least": 2, "within_seconds": 7200 });
    assert_eq!(fix.value.unwrap(), value);
    // Two failures leave their window after a quarter of an hour; nobody knows when the tests do.
    let mut failed = paying(json!(1));
    failed.events.extend([(What::Failed, 5), (What::Failed, 6)]);
    let fixes = check(&failed).unwrap();
    let told: Vec<_> = fixes.iter().map(|it| (it.kind.as_str(), it.retry_after_seconds)).collect();
    assert_eq!(told, [("history", None), ("wait", Some(901))]);
}

#[test]
fn an_amount_that_policies_cannot_compare_is_explained_and_mended() {
    let inexact = paying(json!(12.345_678));
    let fix = only(&inexact);
    assert_eq!((fix.kind.as_str(), fix.value), ("argument", Some(json!(12.3456))));
    assert!(fix.detail.contains("compare exactly: 12.3456"), "{}", fix.detail);
    let told = explain(&inexact.case(), bundle(), &reach(), &Sight::whole()).unwrap();
    assert!(told.policies.is_empty() && told.decision == "deny");
    assert!(told.unfit.as_ref().unwrap().contains("`/amount` is 12.345678"), "{told:?}");
    let text = told.to_string();
    assert!(
        text.starts_with("denied, no policy was asked: the argument `/amount` is 12.345678, which"),
        "{text}"
    );
    // Beyond the bound as well: then the bound it is.
    assert_eq!(only(&paying(json!(612.345_678))).value, Some(json!(500)));
    assert_eq!(only(&paying(json!(1e300))).value, Some(json!(500)));
    let mut both = paying(json!(12.345_678));
    both.events.clear();
    let kinds: Vec<String> = check(&both).unwrap().into_iter().map(|it| it.kind).collect();
    assert_eq!(kinds, ["argument", "history"]);
}
