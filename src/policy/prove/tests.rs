use std::sync::Arc;
use std::time::Duration;

use super::super::load::{SourceFile, Sources};
use super::super::{Bundle, Fault};
use super::{
    Comparison, Proof, compare, compare_within, equivalent, findings, invariants, never_applies,
};

const LONG: Duration = Duration::from_secs(600);

fn bundle(sources: Sources) -> Arc<Bundle> {
    let shown = |faults: Vec<Fault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
    Arc::new(Bundle::from_sources(sources).map_err(shown).unwrap())
}

fn edited(edits: &[(&str, &str)], more: &str) -> Arc<Bundle> {
    let mut sources = Sources { tests: None, ..Sources::starter() };
    for (from, to) in edits {
        assert!(sources.policies.iter().any(|it| it.text.contains(from)), "{from}");
        for file in &mut sources.policies {
            file.text = file.text.replace(from, to);
        }
    }
    if !more.is_empty() {
        sources.policies.push(SourceFile::new("policies", "90-ours.cedar", more));
    }
    bundle(sources)
}

/// Only what is about a few kinds of requests: the solver's time is for what is tested.
fn small(policies: &str) -> Arc<Bundle> {
    let mut sources = Sources { tests: None, ..Sources::starter() };
    sources.policies.retain(|it| it.name.starts_with("00-"));
    sources.policies.push(SourceFile::new("policies", "90-ours.cedar", policies));
    bundle(sources)
}

/// What is widened and narrowed, each with its request's action and what it turns on.
fn proved(comparison: Comparison) -> (Vec<String>, Vec<String>) {
    match comparison {
        Comparison::Proved { widens, narrows } => {
            let shown = |all: Vec<crate::policy::invariants::Counterexample>| {
                all.iter().map(ToString::to_string).collect()
            };
            (shown(widens), shown(narrows))
        }
        Comparison::NotProved { why } => panic!("not proved: {why}"),
    }
}

#[tokio::test]
async fn a_refactoring_is_equivalent_without_and_with_the_solver() {
    let starter = edited(&[], "");
    let (widens, narrows) = proved(compare(starter.clone(), starter.clone()).await);
    assert!(widens.is_empty() && narrows.is_empty());
    let other = edited(
        &[(
            "when { context.usage.calls_last_minute > 100 };",
            "unless { context.usage.calls_last_minute <= 100 };",
        )],
        "",
    );
    let (widens, narrows) = proved(compare(starter, other).await);
    assert!(widens.is_empty() && narrows.is_empty(), "{widens:?} {narrows:?}");
}

#[tokio::test]
async fn what_a_candidate_allows_beyond_the_active_bundle_is_shown_as_a_request() {
    const PAY: &str = "@id(\"ours.pay\") @title(\"Pay\") permit (principal in Gatewright::Group::\"payers\", \
        action in Gatewright::Action::\"use\", resource is Gatewright::Tool);";
    for (from, to, fact) in [
        (
            "context.ask.ttl > duration(\"1h\") ||",
            "context.ask.ttl > duration(\"2h\") ||",
            "context.ask.ttl = 2h",
        ),
        (
            "context.usage.calls_today > 5000",
            "context.usage.calls_today > 6000",
            "context.usage.calls_today = ",
        ),
        ("  context.approval.digest == context.call.digest &&\n", "", "context.approval.digest = "),
    ] {
        let (active, candidate) = (edited(&[], PAY), edited(&[(from, to)], PAY));
        let (widens, narrows) = proved(compare(active.clone(), candidate.clone()).await);
        assert!(!widens.is_empty() && narrows.is_empty(), "{from}: {narrows:?}");
        assert!(widens[0].contains(" = ") && widens[0].contains("is allowed by"), "{}", widens[0]);
        assert!(widens.iter().any(|it| it.contains(fact)), "{from}: {widens:?}");
    }
}

#[tokio::test]
async fn what_a_candidate_no_longer_allows_is_shown_too() {
    let (active, candidate) = (
        edited(&[], ""),
        edited(&[("context.usage.calls_today > 5000", "context.usage.calls_today > 50")], ""),
    );
    let (widens, narrows) = proved(compare(active, candidate).await);
    assert!(widens.is_empty(), "{widens:?}");
    assert!(
        narrows.iter().all(|it| it.ends_with("is denied by limit.calls-per-day")),
        "{narrows:?}"
    );
    assert!(!narrows.is_empty());
}

#[tokio::test]
async fn when_the_time_is_over_what_is_left_is_named() {
    let (active, candidate) = (
        edited(&[], ""),
        edited(&[("context.usage.calls_today > 5000", "context.usage.calls_today > 50")], ""),
    );
    let Comparison::NotProved { why } = compare_within(active, candidate, Duration::ZERO).await
    else {
        panic!("nothing can be proved in no time")
    };
    assert!(why.starts_with("the time of 0 s is over; left are Agent "), "{why}");
}

#[tokio::test]
async fn the_starter_bundle_provably_keeps_every_invariant_and_promise() {
    let all = invariants(edited(&[], ""), Vec::new(), LONG).await;
    assert!(all.len() > 15, "{}", all.len());
    for it in all {
        assert!(matches!(it.proof, Proof::Proven), "{}: {:?}", it.invariant, it.proof);
    }
}

#[tokio::test]
async fn a_broken_invariant_is_refuted_by_a_request() {
    let candidate = edited(
        &[],
        "@id(\"ours.freeze\") @title(\"Change freeze\") forbid (principal, action in \
        Gatewright::Action::\"govern\", resource) when { context.clock.local.weekday == Gatewright::Weekday::\"sat\" };\n\
        @id(\"ours.keys\") @title(\"Keys\") permit (principal is Gatewright::User in Gatewright::Role::\"admin\", \
        action == Gatewright::Action::\"create_api_key\", resource is Gatewright::User);",
    );
    let mut refuted = Vec::new();
    for it in invariants(candidate, Vec::new(), LONG).await {
        match it.proof {
            Proof::Proven => {}
            Proof::Refuted { counterexample } => {
                refuted.push(format!("{} {}", it.invariant, counterexample.by.join(" ")));
            }
            Proof::NotProved { why } => panic!("{}: {why}", it.invariant),
        }
    }
    let by = |id: &str| refuted.iter().filter(|it| it.contains(id)).count();
    assert_eq!((refuted.len(), by("ours.freeze"), by("ours.keys")), (6, 5, 1), "{refuted:#?}");
}

#[tokio::test]
async fn dead_and_shadowed_and_overridden_policies_are_found() {
    let bundle = small(
        "@id(\"a.dead\") @title(\"Never\") permit (principal is Gatewright::User, action == Gatewright::Action::\"sign_in\", resource)
           when { context.session.aal > 3 && context.session.aal < 2 };
         @id(\"b.wide\") @title(\"Wide\") permit (principal is Gatewright::User, action == Gatewright::Action::\"sign_in\", resource);
         @id(\"c.narrow\") @title(\"Narrow\") permit (principal is Gatewright::User, action == Gatewright::Action::\"sign_in\", resource)
           when { context.session.aal > 1 };
         @id(\"d.never\") @title(\"In vain\") permit (principal is Gatewright::User, action == Gatewright::Action::\"sign_out\", resource)
           when { context.risk == Gatewright::RiskLevel::\"high\" };
         @id(\"e.no\") @title(\"No risk\") forbid (principal, action == Gatewright::Action::\"sign_out\", resource)
           when { context.risk != Gatewright::RiskLevel::\"low\" };",
    );
    let found = findings(bundle.clone(), LONG).await;
    assert_eq!(found.not_proved, None);
    assert_eq!(found.dead, ["a.dead"]);
    assert_eq!(found.shadowed, ["c.narrow"]);
    assert_eq!(found.overridden, ["d.never"]);
    assert!(found.failing.is_empty());

    let applies = |id: &str| never_applies(bundle.clone(), id.to_owned(), LONG);
    assert!(matches!(applies("a.dead").await, Proof::Proven));
    assert!(matches!(applies("e.no").await, Proof::Refuted { .. }));
    assert!(matches!(applies("no.such").await, Proof::NotProved { .. }));
    let same = equivalent(bundle.clone(), "b.wide".into(), "c.narrow".into(), LONG).await;
    let Proof::Refuted { counterexample } = same else { panic!("{same:?}") };
    assert!(counterexample.to_string().contains("context.session.aal = "), "{counterexample}");
    let same = equivalent(bundle, "b.wide".into(), "b.wide".into(), LONG).await;
    assert!(matches!(same, Proof::Proven), "{same:?}");
}
