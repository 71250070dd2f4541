mod additions;
mod links;

use std::sync::Arc;
use std::time::Duration;

use super::super::invariants::{Claim, KEPT_BY_FORBIDS};
use super::super::load::{SourceFile, Sources};
use super::super::tests::Registered;
use super::super::{Bundle, Fault};
use super::{
    Comparison, Proof, compare, compare_within, equivalent, findings, invariants, never_applies,
    these_invariants,
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
        Comparison::Proved { widens, narrows, .. } => {
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
    #[tokio::test]
    async fn what_the_starter_forbids_keep_is_kept_whatever_is_permitted() {
        let bundle = edited(
            &[],
            "@id(\"ours.all\") @title(\"Whatever a bundle may permit\") permit (principal, \
         action in [Gatewright::Action::\"grant_role\", Gatewright::Action::\"revoke_role\", \
         Gatewright::Action::\"register_agent\", Gatewright::Action::\"register_user\", \
         Gatewright::Action::\"decide_approval\", Gatewright::Action::\"use\", \
         Gatewright::Action::\"call\"], resource);",
        );
        let kept = Claim::all(&bundle).into_iter().filter(|it| KEPT_BY_FORBIDS.contains(&&*it.id));
        let wanted: Vec<&str> = kept.filter_map(|it| it.known_sentence()).collect();
        assert_eq!(wanted.len(), KEPT_BY_FORBIDS.len());
        for it in these_invariants(bundle, Vec::new(), wanted, LONG).await {
            assert!(matches!(it.proof, Proof::Proven), "{}: {:?}", it.invariant, it.proof);
        }
    }

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
        narrows.iter().all(|it| it.contains("is denied by limit.calls-per-day")),
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

/// The starter bundle with facts about the past.
fn remembering(history: &str, policy: &str) -> Arc<Bundle> {
    let mut sources = Sources { tests: None, ..Sources::starter() };
    if !history.is_empty() {
        sources.history = Some(SourceFile::new("policies", "history.toml", history));
    }
    sources.policies.push(SourceFile::new("policies", "90-ours.cedar", policy));
    bundle(sources)
}

const TESTED: &str = "[history.tests_passed]\naction = \"invoke\"\ntool = \"run_tests\"\n\
                      outcome = \"success\"\nwithin = \"1h\"\n";
const PAID: &str = "[history.paid]\naction = \"invoke\"\ncount = \"sum\"\nof = \"/amount\"\n\
                    within = \"24h\"\n";

fn only_after(condition: &str) -> String {
    format!(
        "@id(\"ours.past\") @title(\"Not so much\") forbid (principal, action in \
         Gatewright::Action::\"call\", resource) when {{ {condition} }};"
    )
}

#[tokio::test]
async fn what_the_past_allows_is_compared_as_if_it_could_be_anything() {
    let strict = only_after("context.history.tests_passed < 2");
    let lax = only_after("context.history.tests_passed < 1");
    let (two, one) = (remembering(TESTED, &strict), remembering(TESTED, &lax));
    let (widens, narrows) = proved(compare(two.clone(), one).await);
    assert!(!widens.is_empty() && narrows.is_empty(), "{widens:?} {narrows:?}");
    assert!(widens.iter().all(|it| it.contains("context.history.tests_passed = 1")), "{widens:?}");
    assert!(widens[0].contains("by the other policies, Action::\"invoke\" is denied by ours.past"));

    // The first fact, and another that goes: each is free where it is declared.
    let plain = remembering("", "");
    let (widens, narrows) = proved(compare(plain.clone(), two.clone()).await);
    assert!(widens.is_empty() && !narrows.is_empty(), "{widens:?}");
    let (widens, narrows) = proved(compare(two.clone(), plain).await);
    assert!(!widens.is_empty() && narrows.is_empty(), "{narrows:?}");
    // What was denied is told as it was decided, though the candidate knows no such fact.
    let told = |it: &&String| it.contains("denied by ours.past");
    for it in widens.iter().filter(told) {
        assert!(
            it.contains("context.history.tests_passed = ") && !it.contains("passed = (absent)")
        );
    }
    assert!(widens.iter().any(|it| told(&it)), "{widens:?}");
    let paid = "context.history.paid.greaterThan(decimal(\"100.0\"))";
    let paid = remembering(PAID, &only_after(paid));
    let (widens, narrows) = proved(compare(two.clone(), paid).await);
    assert!(!widens.is_empty() && !narrows.is_empty());

    let same = remembering(TESTED, &only_after("!(context.history.tests_passed >= 2)"));
    let Comparison::Proved { widens, narrows, notes } = compare(two.clone(), same).await else {
        panic!("not proved")
    };
    assert!(widens.is_empty() && narrows.is_empty());
    assert!(notes.iter().any(|it| it.contains("context.history.tests_passed")), "{notes:?}");

    let longer = remembering(&TESTED.replace("1h", "2h"), &strict);
    let Comparison::NotProved { why } = compare(two, longer).await else { panic!("proved") };
    assert_eq!(why, "`context.history.tests_passed` is declared otherwise");
}

#[tokio::test]
async fn a_bundle_that_looks_into_the_past_provably_keeps_the_invariants() {
    let bundle = remembering(TESTED, &only_after("context.history.tests_passed < 2"));
    for it in invariants(bundle, Vec::new(), LONG).await {
        assert!(matches!(it.proof, Proof::Proven), "{}: {:?}", it.invariant, it.proof);
    }
}

const PAY: &str = "@id(\"ours.pay\") @title(\"Pay\") permit (principal in Gatewright::Group::\"payers\", \
    action in Gatewright::Action::\"use\", resource is Gatewright::Tool);";

/// The starter bundle with payers and this rule about the calls of `pay`.
fn typed(rule: &str) -> Arc<Bundle> {
    let mut sources = Sources { tests: None, ..Sources::starter() };
    sources.policies.push(SourceFile::new("policies", "90-ours.cedar", format!("{PAY}\n{rule}")));
    Arc::new(Bundle::surveyed(sources, &Registered).unwrap_or_else(|it| panic!("{it:?}")))
}

fn limit(id: &str, most: &str) -> String {
    format!(
        "@id(\"{id}\") @title(\"Not so much\") forbid (principal, action == \
         Gatewright::Action::\"call:pay\", resource) unless {{ \
         context.input.amount.lessThanOrEqual(decimal(\"{most}\")) }};"
    )
}

#[tokio::test]
async fn the_first_rule_about_a_tools_arguments_is_compared_with_how_all_calls_are_decided() {
    let (free, limited) = (typed(""), typed(&limit("ours.limit", "500.0")));
    let Comparison::Proved { widens, narrows, notes } =
        compare(free.clone(), limited.clone()).await
    else {
        panic!("not proved")
    };
    assert!(widens.is_empty(), "{}", widens[0]);
    let shown: Vec<String> = narrows.iter().map(ToString::to_string).collect();
    assert!(!shown.is_empty());
    for it in &shown {
        assert!(it.contains("Action::\"call:pay\"") && it.contains("context.input.amount = "));
        assert!(it.contains("is denied by ours.limit"), "{it}");
        assert!(it.contains("by the other policies, Action::\"invoke\" is allowed by "), "{it}");
    }
    assert!(notes.iter().any(|it| it.contains("calls of `pay`")), "{notes:?}");

    // The way back opens what it closed, and so does a permit.
    let (widens, _) = proved(compare(limited.clone(), free.clone()).await);
    assert!(widens.iter().all(|it| it.contains("context.input.amount")), "{widens:?}");
    assert!(widens[0].contains("Action::\"invoke\""), "{widens:?}");
    let open = typed(
        "@id(\"ours.open\") @title(\"Small amounts\") permit (principal, action == \
         Gatewright::Action::\"call:pay\", resource is Gatewright::Tool) when { \
         context.input.amount.lessThanOrEqual(decimal(\"5.0\")) };",
    );
    let (widens, _) = proved(compare(free.clone(), open.clone()).await);
    assert!(!widens.is_empty());
    // Nobody knows what becomes of calls that did not fit the types.
    let Comparison::NotProved { why } = compare(open, free).await else { panic!("proved") };
    assert!(why.contains("calls of `pay` whose arguments its types cannot hold"), "{why}");

    let (widens, narrows) = proved(compare(limited, typed(&limit("ours.limit", "400.0"))).await);
    assert!(widens.is_empty() && !narrows.is_empty());
}

#[tokio::test]
async fn what_grants_would_open_is_found_where_no_policy_permits_it() {
    let (active, candidate) = (
        edited(&[], ""),
        edited(&[("  context.approval.digest == context.call.digest &&\n", "")], ""),
    );
    let (widens, _) = proved(compare(active, candidate).await);
    assert!(widens.iter().all(|it| it.contains("with a grant of grant.agent-tool")), "{widens:?}");
    let now = "context.clock.now = datetime(\"20";
    assert!(!widens.is_empty() && widens.iter().all(|it| it.contains(now)), "{widens:?}");
}

#[tokio::test]
async fn a_refutation_tells_the_whole_clock_and_one_that_could_be() {
    let bundle = edited(
        &[],
        "@id(\"ours.night\") @title(\"Nothing at night\") forbid (principal, action in \
         Gatewright::Action::\"govern\", resource) when { context.clock.world.hasTag(\"Europe/Berlin\") && \
         context.clock.world.getTag(\"Europe/Berlin\").time < duration(\"6h\") };",
    );
    let all = invariants(bundle.clone(), Vec::new(), LONG).await;
    let mut refuted = 0;
    for it in all {
        let Proof::Refuted { counterexample } = it.proof else { continue };
        refuted += 1;
        let again = counterexample.redecide(&bundle).unwrap();
        assert_eq!((again.allow, &again.reasons), (false, &counterexample.by));
        let fact = |it: &str| counterexample.facts.get(it).unwrap_or_else(|| panic!("{it}"));
        let now = fact("context.clock.now").clone();
        let berlin = "context.clock.world.getTag(\"Europe/Berlin\")";
        fact("context.clock.local.weekday");
        fact("context.clock.local.time");
        fact(&format!("{berlin}.weekday"));
        fact(&format!("{berlin}.time"));
        let instant = now.trim_start_matches("datetime(\"").trim_end_matches("\")");
        let instant: jiff::Timestamp = instant.parse().unwrap_or_else(|it| panic!("{now}: {it}"));
        let there = instant.to_zoned(jiff::tz::TimeZone::get("Europe/Berlin").unwrap());
        assert!(there.hour() < 6, "{now}");
    }
    assert!(refuted >= 4, "{refuted}");
}

#[tokio::test]
async fn a_new_template_that_permits_counts_as_more_and_one_that_forbids_does_not() {
    let with = |text: &str| edited(&[], text);
    let active = with("");
    let scope =
        "(principal in ?principal, action == Gatewright::Action::\"view_audit\", resource);";
    let more = with(&format!("@id(\"grant.audit\") @title(\"Audit\") permit {scope}"));
    let Comparison::NotProved { why } = compare(active.clone(), more).await else {
        panic!("proved")
    };
    assert!(why.contains("`grant.audit` is new"), "{why}");
    let less = with(&format!("@id(\"block.audit\") @title(\"No audit\") forbid {scope}"));
    let (widens, narrows) = proved(compare(active, less).await);
    assert!(widens.is_empty() && narrows.is_empty());
}
