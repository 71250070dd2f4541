//! That what is named helps, that less does not, and that nothing smaller was overlooked.

mod amounts;
mod examples;
mod follow;
mod others;
mod scene;

use proptest::prelude::*;

use self::follow::{allows, follow, grid};
use self::scene::{Scene, bundles, reach, scene};
use super::{Cured, Pace, cure, yes};
use crate::authz::case::Case;
use crate::authz::facts::Particulars;
use crate::error::Fix;
use crate::policy::Bundle;

/// The request after all these fixes: time goes on before anything is proven or given, and a
/// mandate is given before a token stands on it.
fn after(case: &Case, fixes: &[&Fix]) -> Case {
    let mut in_turn = fixes.to_vec();
    in_turn.sort_by_key(|it| match it.kind.as_str() {
        "time" | "wait" => 0,
        "mandate" => 1,
        _ => 2,
    });
    in_turn.into_iter().fold(case.clone(), |case, fix| follow(&case, fix))
}

/// Whether no set of at most `size` changes on a coarse grid of values is enough.
fn is_beyond(size: usize, case: &Case, bundle: &Bundle) -> Result<(), String> {
    descend(size, case, &grid(case), bundle)
}

fn descend(
    size: usize,
    case: &Case,
    rest: &[(&'static str, Vec<follow::Change>)],
    bundle: &Bundle,
) -> Result<(), String> {
    if allows(case, bundle) {
        return Err(String::new());
    }
    if size == 0 {
        return Ok(());
    }
    for (at, (name, variants)) in rest.iter().enumerate() {
        for variant in variants {
            // What comes behind is done behind: time goes on before everything else.
            let below = rest.get(at + 1..).unwrap_or_default();
            descend(size - 1, &variant(case), below, bundle)
                .map_err(|it| format!("{name} {it}"))?;
        }
    }
    Ok(())
}

/// What is named helps, and nothing that is named can be left out.
fn helps(case: &Case, fixes: &[Fix], bundle: &Bundle) -> Result<(), TestCaseError> {
    let all: Vec<&Fix> = fixes.iter().collect();
    prop_assert!(allows(&after(case, &all), bundle), "they do not help: {:#?}", fixes);
    for left_out in 0..all.len() {
        let mut fewer = all.clone();
        fewer.remove(left_out);
        prop_assert!(!allows(&after(case, &fewer), bundle), "{left_out} of {:#?}", fixes);
    }
    Ok(())
}

fn check(scene: &Scene) -> Result<bool, TestCaseError> {
    let bundle = &bundles()[scene.bundle];
    let case = scene.case();
    let before = allows(&case, bundle);
    prop_assert_eq!(before, case.decide(bundle).is_ok_and(|it| it.allow));
    if before {
        prop_assert!(cure(&case, bundle, &reach(), Pace::Denial).fixes.is_empty());
        return Ok(false);
    }
    let Cured { fixes, complete, asked, .. } = cure(&case, bundle, &reach(), Pace::Explanation);
    prop_assert!(asked <= 300, "{asked} evaluations");
    let reasons = case.decide(bundle).map_or_else(|_| Vec::new(), |it| it.reasons);
    let is_enough = yes(&case, &reasons, bundle, &reach()).is_some();
    let is_named = matches!(&*fixes, [it] if it.kind == "approval");
    prop_assert!(is_enough || !is_named, "{reasons:?} want nothing but an approval");
    prop_assert!(!is_enough || fixes.len() == 1, "an approval is enough: {fixes:?}");
    if fixes.is_empty() {
        if complete {
            // Pairs are many: those of some scenes are enough.
            let size = if scene.minute % 4 == 0 { 2 } else { 1 };
            let beyond = is_beyond(size, &case, bundle);
            prop_assert!(beyond.is_ok(), "nothing was named, and this helps: {:?}", beyond);
        }
        return Ok(false);
    }
    helps(&case, &fixes, bundle)?;
    let beyond = is_beyond((fixes.len() - 1).min(2), &case, bundle);
    prop_assert!(beyond.is_ok(), "{:?} is smaller than {:#?}", beyond, fixes);
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_named_fix_helps_and_nothing_smaller_does(scene in scene()) {
        check(&scene)?;
    }
}

#[test]
fn what_is_proven_now_is_old_when_the_hour_has_come() {
    // A Monday at 17:00 in Berlin: the tool opens again in the morning.
    let it = Scene {
        bundle: 2,
        is_agent: false,
        business_hours: true,
        minute: 16 * 60,
        reauth_minutes: Some(0),
        ..Scene::plain()
    };
    assert!(check(&it).unwrap());
}

#[test]
fn a_yes_is_enough_however_many_arguments_there_are() {
    let mut case = Scene { bundle: 3, amount: Some(400), ..Scene::plain() }.case();
    let Particulars::Call { call, .. } = &mut case.facts.particulars else { panic!("no call") };
    call.confirmed = true;
    call.arguments["others"] = vec![1; 15_000].into();
    let bundle = &bundles()[3];
    let reasons = case.decide(bundle).unwrap().reasons;
    assert_eq!(reasons, ["own.9"]);
    assert_eq!(yes(&case, &reasons, bundle, &reach()).unwrap().kind, "approval");
    // Whoever else denied would go on doing so.
    let shut = [&reasons[..], &["own.4".to_owned()]].concat();
    assert_eq!(yes(&case, &shut, bundle, &reach()), None);
    let Particulars::Call { call, .. } = &mut case.facts.particulars else { panic!("no call") };
    call.confirmed = false;
    assert_eq!(yes(&case, &reasons, bundle, &reach()), None);
}

#[test]
fn a_search_takes_few_evaluations() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut denied, mut found, mut asked, mut most) = (0, 0, 0, 0);
    for _ in 0..150 {
        let scene = scene().new_tree(&mut runner).unwrap().current();
        let (case, bundle) = (scene.case(), &bundles()[scene.bundle]);
        let cured = cure(&case, bundle, &reach(), Pace::Explanation);
        if !allows(&case, bundle) {
            denied += 1;
            found += usize::from(!cured.fixes.is_empty());
            asked += cured.asked;
            most = most.max(cured.asked);
        }
    }
    assert!(denied > 50 && found > 25, "{denied} denied, {found} of them cured");
    assert!(asked / denied < 60 && most <= 300, "{asked} for {denied}, at most {most}");
}
