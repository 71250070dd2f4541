//! What others have to do: the user who gives a mandate, those who review, whoever probes a tool.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{Entity, RestrictedExpression};
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::follow::allows;
use super::helps;
use super::scene::{Scene, bundles, reach};
use crate::authz::case::Case;
use crate::authz::explain::{Pace, cure};
use crate::authz::facts::{Age, Delegation, Mandate, Particulars};
use crate::authz::uid::{Kind, action, uid};
use crate::error::Fix;

fn words(all: &'static [&'static str]) -> impl Strategy<Value = BTreeSet<String>> {
    subsequence(all, 0..=all.len())
        .prop_map(|it| it.into_iter().map(str::to_owned).collect::<BTreeSet<String>>())
}

/// A bot that asks in uma's name, by a mandate that does for some of it.
fn delegated() -> impl Strategy<Value = Case> {
    let scopes = (words(&["agent:calc", "read:context"]), words(&["agent:calc", "read", "write"]));
    let mandate = (select(vec!["reckoning", "others"]), -60..60_i64, any::<[bool; 2]>(), scopes.1);
    let rest = (prop::option::weighted(0.8, mandate), select(vec![60, 900, 4_000]), 1..3_u32);
    (any::<[bool; 2]>(), scopes.0, rest).prop_map(|(flags, token, (mandate, ttl, depth))| {
        let scene = Scene {
            is_call: flags[0],
            required: flags[1],
            token,
            ttl_seconds: ttl,
            ..Scene::plain()
        };
        let mut case = scene.case();
        let now = case.facts.clock.now();
        let given = mandate.map(|(tools, minutes, [is_deep, is_revoked], scopes)| Mandate {
            id: "old".into(),
            user: "uma".into(),
            agent: "bot".into(),
            scopes,
            tools: tools.into(),
            not_before: now - SignedDuration::from_hours(1),
            expires_at: now + SignedDuration::from_mins(minutes),
            max_depth: if is_deep { 3 } else { 1 },
            revoked: is_revoked && minutes < 0,
        });
        let left = given.as_ref().map_or(0, |it| it.expires_at.as_second() - now.as_second());
        case.facts.delegation = Some(Delegation {
            user: "uma".into(),
            agent: "bot".into(),
            depth,
            remaining_seconds: left.max(0) as u64,
            mandate: given,
        });
        let uma = Scene { is_agent: false, ..Scene::plain() }.case();
        case.others = Some(vec![uma.principal.clone()]);
        let (tool, attributes, _) = case.entity(&case.resource).unwrap().clone().into_inner();
        let sets = [uid(Kind::ToolSet, "reckoning")].into();
        case = case.about(Entity::new(tool, attributes, sets).unwrap());
        case.entities.extend(uma.entity(&uma.principal).cloned());
        case
    })
}

/// Somebody who wants to activate a bundle that others have not all agreed to.
fn bundle_to_be() -> impl Strategy<Value = Case> {
    let who = subsequence(vec!["anna", "uma", "bert"], 0..=3);
    let rest = (any::<[bool; 4]>(), select(vec![0_i64, 26]), 0..3_i64);
    (who, rest, prop::option::of(0..10_u64)).prop_map(|(who, (flags, flips, objections), mfa)| {
        let scene = Scene { is_agent: false, mfa_minutes: mfa, ..Scene::plain() };
        let mut case = scene.case();
        let one = |kind, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
        let flag = RestrictedExpression::new_bool;
        let reviewers = who.iter().map(|it| one(Kind::User, it));
        let attributes = HashMap::from([
            ("tier".to_owned(), one(Kind::BundleTier, "org")),
            ("author".to_owned(), one(Kind::User, "olaf")),
            ("state".to_owned(), one(Kind::BundleState, "checked")),
            ("tests_green".to_owned(), flag(flags[0] || flags[1])),
            ("invariants_hold".to_owned(), flag(flags[0] || flags[1])),
            ("widens".to_owned(), flag(flags[2])),
            ("flips".to_owned(), RestrictedExpression::new_long(flips)),
            ("reviewers".to_owned(), RestrictedExpression::new_set(reviewers)),
            ("review_count".to_owned(), RestrictedExpression::new_long(who.len() as i64)),
            ("objections".to_owned(), RestrictedExpression::new_long(objections)),
        ]);
        let bundle = uid(Kind::Bundle, "candidate");
        let entity = Entity::new(bundle.clone(), attributes, Default::default()).unwrap();
        case.entities.push(entity);
        let (user, attributes, _) = case.entities.remove(0).into_inner();
        let roles = [uid(Kind::Role, "user"), uid(Kind::Role, "policy_admin")].into();
        case.entities.push(Entity::new(user, attributes, roles).unwrap());
        case.facts.particulars = Particulars::Token;
        case.facts.session.aal = 2;
        case.facts.session.reauth_age = flags[3].then_some(Age::ZERO);
        Case { action: action("activate_policy"), resource: bundle, ..case }
    })
}

/// A tool whose server was probed long ago, or will have been.
fn stale(minutes: i64) -> Case {
    let case = Scene::plain().case();
    let until = case.facts.clock.now() + SignedDuration::from_mins(minutes);
    let until = until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let (tool, mut attributes, parents) = case.entity(&case.resource).unwrap().clone().into_inner();
    attributes.insert("probe_valid_until".into(), RestrictedExpression::new_datetime(until));
    case.about(Entity::new(tool, attributes, parents).unwrap())
}

/// What is named; it helps, and all of it is needed.
fn checked(case: &Case) -> Result<Vec<Fix>, TestCaseError> {
    let bundle = &bundles()[0];
    let before = allows(case, bundle);
    prop_assert_eq!(before, case.decide(bundle).is_ok_and(|it| it.allow));
    let cured = cure(case, bundle, &reach(), Pace::Explanation);
    prop_assert!(!before || cured.fixes.is_empty());
    if !cured.fixes.is_empty() {
        helps(case, &cured.fixes, bundle)?;
    }
    Ok(cured.fixes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_mandate_that_is_named_helps(case in delegated()) {
        checked(&case)?;
    }

    #[test]
    fn the_reviews_that_are_named_help(case in bundle_to_be()) {
        checked(&case)?;
    }

    #[test]
    fn the_probe_that_is_named_helps(minutes in -60..60_i64) {
        let kinds: Vec<String> =
            checked(&stale(minutes))?.into_iter().map(|it| it.kind).collect();
        prop_assert_eq!(kinds, if minutes > 0 { vec![] } else { vec!["probe".to_owned()] });
    }
}

/// How often each kind is named among some requests.
fn named(strategy: impl Strategy<Value = Case>) -> BTreeMap<String, usize> {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut named = BTreeMap::new();
    for _ in 0..100 {
        let case = strategy.new_tree(&mut runner).unwrap().current();
        for fix in checked(&case).unwrap() {
            *named.entry(fix.kind).or_default() += 1;
        }
    }
    named
}

#[test]
fn mandates_and_reviews_are_named_among_much_else() {
    let said = named(delegated());
    assert!(said["mandate"] > 10 && said["scopes"] > 5 && said.contains_key("ttl"), "{said:?}");
    let said = named(bundle_to_be());
    assert!(said["review"] > 10 && said["mfa"] > 5, "{said:?}");
}
