//! What is said of some requests, to the word.

use std::collections::BTreeSet;

use cedar_policy::{Entity, RestrictedExpression};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::scene::{Scene, bundles, reach};
use crate::authz::case::Case;
use crate::authz::explain::{Pace, Sight, cure, explain, kinds};
use crate::authz::facts::Risk;
use crate::authz::uid::{Kind, uid};
use crate::error::Fix;
use crate::policy::Fix as Word;

fn fixes(scene: &Scene) -> Vec<Fix> {
    cure(&scene.case(), &bundles()[scene.bundle], &reach(), Pace::Explanation).fixes
}

fn told(scene: &Scene) -> Vec<(String, Value)> {
    fixes(scene).into_iter().map(|it| (it.kind, it.value.unwrap_or_default())).collect()
}

fn one(kind: &str, value: Value) -> Vec<(String, Value)> {
    vec![(kind.to_owned(), value)]
}

#[test]
fn an_opening_is_told_to_the_minute() {
    // Wednesday is shut; the window of Thursday opens at 6:15 in Berlin.
    let minute = (2 * 24 + 9) * 60;
    let shut = Scene { bundle: 3, is_call: false, minute, ..Scene::plain() };
    assert_eq!(told(&shut), one("time", json!("2026-03-12T05:15:00Z")));
    let opening: Timestamp = "2026-03-12T05:15:00Z".parse().unwrap();
    let wait = opening.as_second() - shut.case().facts.clock.now().as_second();
    assert_eq!(fixes(&shut)[0].retry_after_seconds, Some(wait as u64));
}

#[test]
fn a_number_is_told_to_the_unit() {
    let amount = |it| Scene { bundle: 1, amount: Some(it), ..Scene::plain() };
    let much = fixes(&amount(800));
    assert_eq!(much[0].pointer.as_deref(), Some("/amount"));
    assert_eq!(much[0].detail, "send at most 500 as `/amount`");
    assert_eq!(fixes(&amount(3))[0].detail, "send at least 10 as `/amount`");
    assert!(fixes(&amount(500)).is_empty());
}

#[test]
fn a_forbid_without_a_hint_is_cured_all_the_same() {
    let it = Scene { bundle: 2, is_agent: false, ..Scene::plain() };
    let said: Vec<String> = told(&it).into_iter().map(|it| it.0).collect();
    assert_eq!(said, ["mfa", "reauth"]);
    // An agent has neither, and is not asked for it.
    assert!(
        kinds(&Scene { bundle: 2, ..Scene::plain() }.case(), &bundles()[2], &reach()).is_empty()
    );
    let words = kinds(&it.case(), &bundles()[2], &reach());
    assert_eq!(words, [Word::Mfa, Word::Reauth]);
}

#[test]
fn a_counter_is_waited_for() {
    let limited = Scene { uses: 101, ..Scene::plain() };
    let fix = &fixes(&limited)[0];
    assert_eq!((fix.kind.as_str(), fix.retry_after_seconds), ("wait", Some(60)));
}

#[test]
fn a_lifetime_is_the_longest_and_scopes_are_no_fewer_than_need_be() {
    let ask = Scene {
        bundle: 1,
        is_call: false,
        required: true,
        ttl_seconds: 90_000,
        ask: ["delete", "read", "write"].map(str::to_owned).into(),
        ..Scene::plain()
    };
    let told = told(&ask);
    assert_eq!(told[0].0, "scopes");
    assert_eq!(told[0].1["ask"], json!(["read"]), "{told:?}");
    assert_eq!(told[0].1["token"], json!(["agent:calc"]), "{told:?}");
    assert_eq!(told[1], ("ttl".to_owned(), json!(1020)));
}

#[test]
fn a_network_is_one_that_lets_in() {
    let token = BTreeSet::from(["read:context".to_owned()]);
    let outside = Scene { bundle: 4, token, ..Scene::plain() };
    assert_eq!(told(&outside), one("network", json!("vpn")));
}

#[test]
fn a_probe_is_other_peoples_work() {
    let mut stale = Scene::plain().case();
    let (tool, mut attributes, parents) = stale.entities.remove(1).into_inner();
    let past = RestrictedExpression::new_datetime("2026-03-01T00:00:00Z");
    attributes.insert("probe_valid_until".into(), past);
    stale.entities.push(Entity::new(tool, attributes, parents).unwrap());
    assert_eq!(kinds(&stale, &bundles()[0], &reach()), [Word::Probe]);
}

#[test]
fn a_condition_is_told_with_what_it_read() {
    let limited = Scene { uses: 101, ..Scene::plain() };
    let bundle = &bundles()[0];
    let of = |case: &Case, sight: &Sight| explain(case, bundle, &reach(), sight).unwrap();
    let all = of(&limited.case(), &Sight::whole());
    assert_eq!(all.decision, "deny");
    let policy = &all.policies[0];
    let meta = bundle.meta("limit.calls-per-minute").unwrap();
    assert_eq!((policy.id.as_str(), policy.applied), ("limit.calls-per-minute", true));
    assert_eq!(policy.file.as_deref(), Some(meta.file.as_str()));
    let condition = &policy.conditions.as_ref().unwrap()[0];
    assert_eq!(condition.text, "context.usage.calls_last_minute > 100");
    assert_eq!((condition.holds, condition.line), (Some(true), meta.line + 8));
    let text = all.to_string();
    assert!(text.contains("context.usage.calls_last_minute = 101\n"), "{text}");
    assert!(text.contains("it would be allowed with this: wait up to 60 s"), "{text}");

    let own = Sight { everything: false, of: BTreeSet::from([limited.case().principal]) };
    let some = of(&limited.case(), &own);
    assert_eq!((&some.policies[0].conditions, &some.policies[0].file), (&None, &None));
    assert_eq!(some.policies[0].values[0].value, json!(101));
}

#[test]
fn what_the_asker_may_not_see_is_left_out() {
    let refused = Scene { consequential: true, ..Scene::plain() };
    let bundle = &bundles()[0];
    let case = refused.case();
    let seen = |of: BTreeSet<_>| {
        let sight = Sight { everything: false, of };
        let told = explain(&case, bundle, &reach(), &sight).unwrap();
        let values = told.policies.into_iter().flat_map(|it| it.values);
        values.map(|it| it.path).collect::<Vec<String>>()
    };
    let blind = seen(BTreeSet::from([case.principal.clone()]));
    assert!(!blind.iter().any(|it| it.starts_with("resource")), "{blind:?}");
    assert!(blind.contains(&"context.call.digest".to_owned()), "{blind:?}");
    let seeing = seen(BTreeSet::from([case.principal.clone(), uid(Kind::Tool, "tool")]));
    assert!(seeing.contains(&"resource.consequential".to_owned()), "{seeing:?}");
}

#[test]
fn a_permit_that_nearly_applied_is_told() {
    let risky = Scene { is_call: false, risk: Risk::Medium, ..Scene::plain() };
    let told = explain(&risky.case(), &bundles()[0], &reach(), &Sight::whole()).unwrap();
    let near: Vec<&str> = told.policies.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(near, ["use.low-risk"]);
    assert!(!told.policies[0].applied && told.fix.is_empty() && told.fix_complete);
    let conditions = told.policies[0].conditions.as_ref().unwrap();
    let held: Vec<_> = conditions.iter().map(|it| it.holds).collect();
    assert_eq!(held, [Some(false), Some(false)], "{conditions:#?}");
    assert_eq!(conditions[0].values[0].value, json!("medium"));
}
