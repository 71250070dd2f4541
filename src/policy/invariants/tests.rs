use cedar_policy::{Entity, RestrictedExpression};

use super::super::load::{SourceFile, Sources};
use super::super::{Bundle, Fault};
use super::search::Effort;
use super::{Violation, broken_promises, found, search};
use crate::authz::uid::{Kind, uid};

fn bundle(sources: Sources) -> Bundle {
    let shown = |faults: Vec<Fault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
    Bundle::from_sources(sources).map_err(shown).unwrap()
}

fn sources() -> Sources {
    Sources { tests: None, ..Sources::starter() }
}

/// The starter bundle with one more policy.
fn with(scope: &str, conditions: &str) -> Bundle {
    let mut sources = sources();
    let text = format!("@id(\"ours.x\") @title(\"A well-meant rule\") {scope} {conditions};")
        .replace(":::", "Gatewright::");
    sources.policies.push(SourceFile::new("policies", "90-ours.cedar", text));
    bundle(sources)
}

/// The starter bundle with `from` replaced by `to` in its policies.
fn edited(from: &str, to: &str) -> Bundle {
    let mut sources = sources();
    let file = sources.policies.iter_mut().find(|it| it.text.contains(from)).unwrap();
    file.text = file.text.replace(from, to);
    bundle(sources)
}

fn admin(id: &str, groups: &[&str]) -> Entity {
    let state = RestrictedExpression::new_entity_uid(uid(Kind::Lifecycle, "active"));
    let groups = groups.iter().map(|it| uid(Kind::Group, it));
    let parents = groups.chain([uid(Kind::Role, "policy_admin")]).collect();
    Entity::new(uid(Kind::User, id), [("state".to_owned(), state)].into(), parents).unwrap()
}

/// Each as `sentence | policy`, every counterexample asked again.
fn shown(bundle: &Bundle, found: &[Violation]) -> Vec<String> {
    for it in found {
        let again = it.counterexample.redecide(bundle).unwrap();
        assert_eq!(again.allow, it.counterexample.allowed, "{}", it.counterexample);
        assert_eq!(again.reasons, it.counterexample.by, "{}", it.counterexample);
    }
    let policy = |it: &Violation| it.policy.clone().unwrap_or_else(|| "-".to_owned());
    found.iter().map(|it| format!("{} | {}", it.invariant, policy(it))).collect()
}

#[test]
fn the_starter_bundle_keeps_every_invariant_and_promise() {
    let bundle = Bundle::starter().unwrap();
    assert_eq!(shown(&bundle, &found(&bundle, &[], Effort::All).violations), Vec::<String>::new());
    assert_eq!(shown(&bundle, &broken_promises(&bundle).violations), Vec::<String>::new());
}

#[test]
fn well_meant_rules_that_lock_the_last_policy_admin_out_are_found() {
    const GOVERN: &str = "forbid (principal, action in :::Action::\"govern\", resource)";
    const ALL: &str = "forbid (principal, action, resource)";
    for (scope, conditions) in [
        (GOVERN, "when { context.clock.local.weekday == :::Weekday::\"sat\" }"),
        (GOVERN, "when { context.clock.local.time >= duration(\"17h\") }"),
        (GOVERN, "when { datetime(\"2027-01-01\") <= context.clock.now }"),
        (
            GOVERN,
            "when { context.clock.world.hasTag(\"Europe/Berlin\") && context.clock.world.getTag(\"Europe/Berlin\").time < duration(\"6h\") }",
        ),
        (ALL, "unless { context.net.ip.isInRange(ip(\"10.0.0.0/8\")) }"),
        (ALL, "when { context.net.ip.isInRange(ip(\"0.0.0.0/0\")) }"),
        (ALL, "unless { context.net has country && context.net.country == \"DE\" }"),
        (GOVERN, "unless { context.net.zones.contains(:::NetZone::\"vpn\") }"),
        (GOVERN, "unless { principal in :::Group::\"policy-council\" }"),
        (GOVERN, "unless { context.session.aal >= 3 }"),
        (
            "forbid (principal, action == :::Action::\"sign_in\", resource)",
            "when { context.clock.local.weekday == :::Weekday::\"sun\" }",
        ),
        (
            "forbid (principal, action == :::Action::\"activate_policy\", resource)",
            "unless { resource.review_count >= 3 }",
        ),
        ("forbid (principal, action == :::Action::\"rollback_policy\", resource)", ""),
        (
            "forbid (principal, action == :::Action::\"grant_role\", resource)",
            "when { principal in :::Role::\"policy_admin\" }",
        ),
    ] {
        let bundle = with(scope, conditions);
        let found = search(&bundle, &[]).violations;
        let shown = shown(&bundle, &found);
        assert!(shown.iter().any(|it| it.ends_with("| ours.x")), "{scope} {conditions}: {shown:?}");
        assert!(found.iter().all(|it| !it.counterexample.allowed));
    }
}

#[test]
fn rules_that_leave_a_way_in_are_no_violation() {
    for (scope, conditions) in [
        (
            "forbid (principal, action, resource)",
            "when { context.net.ip.isInRange(ip(\"203.0.113.0/24\")) }",
        ),
        (
            "forbid (principal, action, resource)",
            "when { context.net has country && context.net.country == \"KP\" }",
        ),
        (
            "forbid (principal is :::User, action in :::Action::\"govern\", resource)",
            "unless { context.session has mfa_age && context.session.mfa_age <= duration(\"2m\") }",
        ),
        (
            "forbid (principal, action == :::Action::\"review_policy\", resource)",
            "when { resource.author == principal }",
        ),
        (
            "forbid (principal, action in :::Action::\"use\", resource is :::Tool)",
            "when { context.clock.local.weekday == :::Weekday::\"sun\" }",
        ),
    ] {
        let bundle = with(scope, conditions);
        assert_eq!(
            shown(&bundle, &search(&bundle, &[]).violations),
            Vec::<String>::new(),
            "{conditions}"
        );
    }
}

#[test]
fn a_life_line_holds_as_long_as_one_of_the_real_admins_keeps_it() {
    let bundle = with(
        "forbid (principal == :::User::\"alice\", action in :::Action::\"govern\", resource)",
        "",
    );
    let (alice, bob) = (admin("alice", &[]), admin("bob", &[]));
    assert_eq!(
        shown(&bundle, &search(&bundle, &[alice.clone(), bob]).violations),
        Vec::<String>::new()
    );
    let found = search(&bundle, std::slice::from_ref(&alice)).violations;
    assert!(found.len() >= 4, "{found:?}");
    assert!(found.iter().all(|it| it.policy.as_deref() == Some("ours.x")));
    let text = found[0].counterexample.to_string();
    assert!(text.starts_with("User::\"alice\" asks to Action::\"activate_policy\""), "{text}");
    assert!(text.ends_with("is denied by ours.x"), "{text}");

    let council = with(
        "forbid (principal, action in :::Action::\"govern\", resource)",
        "unless { principal in :::Group::\"council\" }",
    );
    let inside = admin("carol", &["council"]);
    assert_eq!(
        shown(&council, &search(&council, &[alice.clone(), inside]).violations),
        Vec::<String>::new()
    );
    assert!(!search(&council, &[alice]).violations.is_empty());
}

#[test]
fn the_lock_out_is_shown_as_a_request_that_reads() {
    let bundle = with(
        "forbid (principal, action in :::Action::\"govern\", resource)",
        "when { context.clock.local.weekday == :::Weekday::\"sat\" }",
    );
    let found = search(&bundle, &[admin("alice", &[])]).violations;
    let counterexample = &found[0].counterexample;
    assert_eq!(counterexample.facts["context.clock.local.weekday"], "Gatewright::Weekday::\"sat\"");
    let json = serde_json::to_value(&found[0]).unwrap();
    assert_eq!(json["counterexample"]["by"], serde_json::json!(["ours.x"]));
    assert_eq!(
        json["counterexample"]["context"]["clock"]["local"]["weekday"]["__entity"]["id"],
        "sat"
    );
}

#[test]
fn policies_that_let_somebody_raise_themselves_are_found() {
    for (scope, conditions, part) in [
        (
            "permit (principal is :::User, action == :::Action::\"create_api_key\", resource is :::User)",
            "when { principal in :::Role::\"admin\" }",
            "API key",
        ),
        (
            "permit (principal, action == :::Action::\"act_for\", resource is :::User)",
            "",
            "without a mandate",
        ),
        (
            "permit (principal in :::Group::\"support\", action == :::Action::\"act_for\", resource is :::User)",
            "",
            "without a mandate",
        ),
    ] {
        let bundle = with(scope, conditions);
        let found = search(&bundle, &[]).violations;
        let shown = shown(&bundle, &found);
        assert!(
            shown.iter().any(|it| it.contains(part) && it.ends_with("| ours.x")),
            "{scope} {conditions}: {shown:?}"
        );
        assert!(found.iter().all(|it| it.counterexample.allowed));
    }
    for (from, to, found) in [
        (
            "  resource.parties.contains(principal) ||\n",
            "",
            "Nobody decides an approval that is asked for on their own side | approval.decide",
        ),
        (
            "when { resource has user && resource.user != principal }",
            "when { resource has agent && resource has user }",
            "Nobody makes an API key that stands for another person, nor gets the text of one | admin.keys.change",
        ),
    ] {
        let bundle = edited(from, to);
        assert_eq!(shown(&bundle, &search(&bundle, &[]).violations), [found]);
    }
}

#[test]
fn promises_that_are_given_up_are_reported_and_are_no_violation() {
    for (from, to, part) in [
        ("  context.approval.digest == context.call.digest &&\n", "", "carries an approval"),
        (
            "context.ask.ttl > duration(\"1h\") ||",
            "context.ask.ttl > duration(\"2h\") ||",
            "longer than 1 hour",
        ),
        (
            "duration(\"1s\") <= context.ask.ttl && context.ask.ttl <= resource.max_ttl",
            "duration(\"1s\") <= context.ask.ttl",
            "longer than its tool allows",
        ),
        (
            "unless { resource.state == Gatewright::ToolState::\"active\" };",
            "unless { resource.state != Gatewright::ToolState::\"quarantined\" };",
            "Only active tools",
        ),
    ] {
        let mut sources = sources();
        for file in &mut sources.policies {
            file.text = file.text.replace(from, to);
        }
        // Somebody may use consequential tools at all.
        sources.policies.push(SourceFile::new("policies", "90-ours.cedar", "@id(\"ours.pay\") @title(\"Pay\") \
            permit (principal in Gatewright::Group::\"payers\", action in Gatewright::Action::\"use\", resource is Gatewright::Tool);"));
        let bundle = bundle(sources);
        let shown = shown(&bundle, &broken_promises(&bundle).violations);
        assert!(shown.iter().any(|it| it.contains(part)), "{from}: {shown:?}");
    }
}

#[test]
fn a_search_that_ends_before_it_has_tried_everything_says_so() {
    let starter = search(&Bundle::starter().unwrap(), &[]);
    assert!(starter.of > 10 && starter.cut_off.is_empty(), "{:?}", starter.cut_off);

    let many: Vec<String> =
        (0..10).map(|it| format!("context.net.ip != ip(\"192.0.2.{it}\")")).collect();
    let conditions = format!(
        "when {{ {} && context.session.age < duration(\"9h\") && context.session.aal > 1 && \
         context.risk != :::RiskLevel::\"high\" && context.clock.local.time > duration(\"7h\") && \
         context.clock.local.weekday != :::Weekday::\"sun\" && principal != resource.author }}",
        many.join(" && ")
    );
    let bundle = with(
        "forbid (principal, action in :::Action::\"govern\", resource is :::Bundle)",
        &conditions,
    );
    let found = search(&bundle, &[]);
    assert!(!found.cut_off.is_empty() || !found.violations.is_empty());
    let wide = with(
        "permit (principal is :::User, action == :::Action::\"act_for\", resource is :::User)",
        &format!(
            "when {{ context has delegation && context.delegation has mandate && \
             context.delegation.mandate.user == context.delegation.user && \
             context.delegation.mandate.agent == context.delegation.agent && \
             !context.delegation.mandate.revoked && \
             context.delegation.mandate.not_before <= context.clock.now && \
             context.clock.now < context.delegation.mandate.expires_at && {} }}",
            many.join(" && ")
        ),
    );
    let found = search(&wide, &[]);
    assert_eq!(found.of, starter.of);
    assert!(
        found.cut_off.iter().any(|it| it.contains("without a mandate")),
        "{:?} {:?}",
        found.cut_off,
        found.violations
    );
}

const GOVERN: &str = "forbid (principal is :::User, action in :::Action::\"govern\", resource)";

#[test]
fn a_lock_out_is_found_however_many_facts_it_hides_behind() {
    const AGES: &str = "context.session.age != duration(\"0s\") && \
        context.session has mfa_age && context.session.mfa_age != duration(\"0s\")";
    for conditions in [
        "context.clock.now != datetime(\"2026-11-02T12:00:00Z\") && AGES && \
         context.session has reauth_age && context.session.reauth_age != duration(\"0s\")",
        "context.clock.local.weekday != :::Weekday::\"mon\" && \
         context.clock.local.time != duration(\"12h\") && AGES",
    ] {
        let conditions = conditions.replace("AGES", AGES);
        let bundle = with(GOVERN, &format!("when {{ {conditions} }}"));
        for admins in [vec![], vec![admin("alice", &[])]] {
            let found = search(&bundle, &admins);
            let shown = shown(&bundle, &found.violations);
            assert!(shown.len() >= 5, "{conditions}: {shown:?}");
            assert!(shown.iter().all(|it| it.ends_with("| ours.x")), "{shown:?}");
        }
    }
}

#[test]
fn ordinary_rules_are_searched_to_the_end() {
    for (scope, conditions) in [
        (
            "permit (principal in :::Group::\"payers\", action in :::Action::\"use\", resource is :::Tool)",
            "when { principal.state == :::Lifecycle::\"active\" && context.risk == :::RiskLevel::\"low\" && \
             context.clock.local.time >= duration(\"8h\") && context.clock.local.weekday != :::Weekday::\"sun\" && \
             resource.state == :::ToolState::\"active\" && context.net.zones.contains(:::NetZone::\"vpn\") }",
        ),
        (
            "forbid (principal, action in :::Action::\"use\", resource is :::Tool)",
            "when { context.clock.local.time >= duration(\"18h\") && resource.consequential && \
             context.risk != :::RiskLevel::\"low\" && !(context has approval) && context.session.age > duration(\"1h\") }",
        ),
        (
            GOVERN,
            "when { context.session has mfa_age && context.session.mfa_age > duration(\"2m\") && \
             context.clock.local.time >= duration(\"18h\") && context.clock.local.weekday == :::Weekday::\"sat\" && \
             context.session.aal == 2 }",
        ),
        (GOVERN, "when { context.risk == :::RiskLevel::\"high\" }"),
    ] {
        let bundle = with(scope, conditions);
        for found in [search(&bundle, &[]), broken_promises(&bundle)] {
            assert_eq!(shown(&bundle, &found.violations), Vec::<String>::new(), "{conditions}");
            assert_eq!(found.cut_off, Vec::<&str>::new(), "{conditions}");
        }
    }
}

#[test]
fn what_a_search_cannot_see_is_no_end() {
    let conditions = "when { context.clock.now.toTime() >= duration(\"13h\") }";
    let found = search(&with(GOVERN, conditions), &[]);
    assert!(!found.cut_off.is_empty() || !found.violations.is_empty());
}
