use super::{shown, with};

/// The findings about one policy with these annotations, effect and conditions.
fn lint(effect: &str, scope: &str, conditions: &str) -> String {
    shown(with(&format!(
        "@id(\"ours.x\") @title(\"A rule of ours\") {effect} ({scope}) {conditions};"
    )))
}

const USE: &str = "principal, action in Gatewright::Action::\"use\", resource is Gatewright::Tool";
const ASK: &str =
    "principal, action == Gatewright::Action::\"request_credential\", resource is Gatewright::Tool";

#[test]
fn a_guard_rail_cannot_fail() {
    for condition in [
        "context.usage.calls_today + 1 > 7",
        "context.usage.calls_ever * 2 > 7",
        "context.usage.calls_ever - 1 > 7",
        "-context.usage.calls_ever > 7",
        "context.clock.now.offset(duration(\"1h\")) > datetime(\"2026-01-01\")",
        "context.clock.now.durationSince(datetime(\"2026-01-01\")) > duration(\"1h\")",
        "context.clock.now.toDate() > datetime(\"2026-01-01\")",
    ] {
        let found = lint("forbid", USE, &format!("when {{ {condition} }}"));
        assert!(found.contains("[total-guard-rails]"), "{condition}: {found}");
        assert!(found.starts_with("policies/90-ours.cedar:1:1: ours.x: "), "{found}");
    }
    assert_eq!(lint("forbid", USE, "when { context.usage.calls_ever > 7 }"), "");
}

#[test]
fn a_zone_exists_and_is_a_literal() {
    let read = |zone: &str| {
        let world = "context.clock.world";
        lint(
            "forbid",
            USE,
            &format!(
                "unless {{ {world}.hasTag({zone}) && {world}.getTag({zone}).time < duration(\"1h\") }}"
            ),
        )
    };
    assert_eq!(read("\"Europe/Berlin\""), "");
    let found = read("\"Europe/Berln\"");
    assert!(found.contains("there is no time zone `Europe/Berln` [unknown-zone]"), "{found}");
    let found = read("context.call.digest");
    assert!(!found.is_empty(), "only calls have a digest");
    let found = lint(
        "forbid",
        "principal, action in Gatewright::Action::\"call\", resource",
        "unless { context.clock.world.hasTag(context.call.digest) }",
    );
    assert!(found.contains("is not a literal [unknown-zone]"), "{found}");
}

#[test]
fn a_larger_number_never_helps() {
    for (effect, scope, conditions) in [
        ("permit", ASK, "when { context.ask.ttl >= duration(\"1h\") }"),
        ("permit", ASK, "unless { context.ask.ttl < duration(\"1h\") }"),
        ("permit", ASK, "when { duration(\"2s\") <= context.ask.ttl }"),
        ("permit", ASK, "when { context.ask.ttl == duration(\"1h\") }"),
        ("forbid", USE, "when { context.usage.calls_today < 5 }"),
        ("forbid", USE, "when { 5 > context.usage.calls_last_minute }"),
        ("forbid", USE, "unless { context.usage.failures_last_hour > 5 }"),
        ("forbid", USE, "when { context.usage.cost_today.lessThan(decimal(\"1.00\")) }"),
        ("forbid", USE, "unless { !(context.usage.calls_today < 5) }"),
        ("permit", USE, "when { if context.usage.calls_today > 5 then true else false }"),
        ("permit", USE, "when { [1, 2].contains(context.usage.calls_today) }"),
        ("permit", ASK, "when { [context.usage].contains(context.usage) }"),
    ] {
        let found = lint(effect, scope, conditions);
        assert!(found.contains("[monotone]"), "{effect} {conditions}: {found}");
    }
    // That sums may fail is another rule's.
    for (effect, conditions, is_found) in [
        ("forbid", "when { context.usage.calls_today + 1 > 9 }", false),
        ("forbid", "when { 9 < 1 + context.usage.calls_today - 2 }", false),
        ("forbid", "when { context.usage.calls_today + 1 < 9 }", true),
        ("forbid", "when { 9 - context.usage.calls_today > 1 }", true),
        ("forbid", "when { context.usage.calls_today * -1 > 9 }", true),
    ] {
        let found = lint(effect, USE, conditions);
        assert!(found.contains("[total-guard-rails]"), "{effect} {conditions}: {found}");
        assert_eq!(found.contains("[monotone]"), is_found, "{effect} {conditions}: {found}");
    }
    for (effect, scope, conditions) in [
        ("permit", ASK, "when { context.ask.ttl <= duration(\"1h\") }"),
        ("permit", ASK, "when { duration(\"1s\") <= context.ask.ttl }"),
        ("permit", ASK, "when { context.ask.ttl <= resource.max_ttl && resource.consequential }"),
        ("forbid", USE, "when { context.usage.calls_today > 5 }"),
        ("forbid", USE, "when { 5 < context.usage.calls_today }"),
        ("forbid", USE, "unless { context.usage.cost_today.lessThanOrEqual(decimal(\"1.00\")) }"),
        ("forbid", USE, "when { context.usage.calls_ever <= 1 }"),
    ] {
        assert_eq!(lint(effect, scope, conditions), "", "{effect} {conditions}");
    }
}

#[test]
fn a_permit_is_about_something() {
    let found = lint("permit", "principal, action, resource", "when { context.session.aal > 2 }");
    assert!(found.contains("permits everything to everybody [scoped-permit]"), "{found}");
}

#[test]
fn only_the_root_tier_permits_to_govern() {
    for scope in [
        "principal, action in Gatewright::Action::\"govern\", resource",
        "principal, action == Gatewright::Action::\"activate_policy\", resource",
        "principal in Gatewright::Role::\"admin\", action, resource",
        "principal, action, resource is Gatewright::Bundle",
    ] {
        let found = lint("permit", scope, "");
        assert!(found.contains("[root-tier-only]"), "{scope}: {found}");
    }
    assert_eq!(lint("permit", "principal, action, resource is Gatewright::AuditLog", ""), "");
    let forbid =
        lint("forbid", "principal, action in Gatewright::Action::\"govern\", resource", "");
    assert_eq!(forbid, "", "to forbid more is everybody's right");
}

#[test]
fn every_policy_explains_itself() {
    for policy in [
        "@id(\"ours.x\") forbid (principal, action, resource is Gatewright::Tool);",
        "@id(\"ours.x\") @title(\"No\") forbid (principal, action, resource is Gatewright::Tool);",
        "@id(\"ours.x\") permit (principal, action, resource is Gatewright::Tool);",
    ] {
        let found = shown(with(policy));
        assert!(found.contains("[explained]"), "{policy}: {found}");
    }
}

#[test]
fn templates_keep_the_rules_too() {
    let found = shown(with(
        "@id(\"ours.x\") @title(\"A grant\") permit (principal in ?principal, action in \
         Gatewright::Action::\"govern\", resource in ?resource);",
    ));
    assert!(found.contains("[root-tier-only]"), "{found}");
}
