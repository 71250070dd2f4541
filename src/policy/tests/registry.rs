//! A registry of two tools, and what rules about it come to that speak of anything else.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{sources, surveyed};
use crate::authz::uid::Kind;
use crate::policy::load::SourceFile;
use crate::policy::{Bundle, KnownTool, Landscape, Severity};

pub(in crate::policy) struct Registered;

/// What the tool `pay` takes.
pub(super) fn pay() -> Value {
    json!({
        "type": "object",
        "required": ["amount", "count", "currency"],
        "properties": {
            "amount": { "type": "number" },
            "count": { "type": "integer" },
            "currency": { "enum": ["EUR", "USD"] },
            "memo": { "type": "string" },
            "free": {},
        },
    })
}

impl Landscape for Registered {
    fn tool(&self, name: &str) -> Option<KnownTool> {
        let (name, input_schema, is_called_here) = match name.to_lowercase().as_str() {
            "pay" => ("pay", pay(), true),
            "calc" => ("calc", json!({}), false),
            _ => return None,
        };
        let (id, name) = (format!("id-of-{name}"), name.to_owned());
        Some(KnownTool { id, name, input_schema: Arc::new(input_schema), is_called_here })
    }

    fn tool_names(&self) -> Vec<String> {
        ["calc", "pay"].map(str::to_owned).into()
    }

    fn ids(&self, kind: Kind) -> Option<BTreeSet<String>> {
        let known: &[&str] = match kind {
            Kind::Tool => &["id-of-pay", "id-of-calc"],
            Kind::ToolSet => &["trading", "calculators"],
            Kind::Scope => &["agent:pay"],
            Kind::NetZone => &["corp"],
            Kind::Agent => &["id-of-bot"],
            _ => return None,
        };
        Some(known.iter().map(|it| (*it).to_owned()).collect())
    }

    fn named(&self, kind: Kind, name: &str) -> Option<String> {
        match kind {
            Kind::Tool => self.tool(name).map(|it| it.id),
            Kind::Agent if name == "bot" => Some("id-of-bot".to_owned()),
            _ => None,
        }
    }
}

/// What is said about each of `policies`, which are sound.
fn warned(policies: &[String]) -> Vec<String> {
    let numbered = policies.iter().enumerate();
    let text: Vec<String> = numbered
        .map(|(number, it)| format!("@id(\"ours.{number}\") @title(\"A rule of ours\") {it}"))
        .collect();
    let bundle = surveyed(&text.join("\n")).unwrap_or_else(|it| panic!("{it:?}"));
    let about = |number: usize| {
        let id = format!("ours.{number}");
        let warnings = bundle.warnings().iter().filter(|it| it.policy.as_ref() == Some(&id));
        let told: Vec<String> = warnings
            .map(|it| {
                assert_eq!((it.severity, it.line), (Severity::Warning, number + 1));
                it.to_string()
            })
            .collect();
        told.join("\n")
    };
    (0..policies.len()).map(about).collect()
}

#[test]
fn what_is_nowhere_is_told_and_what_may_be_meant() {
    let head = "forbid (principal, action in Gatewright::Action::\"use\", resource";
    let table = [
        (
            format!("{head} in Gatewright::ToolSet::\"tradign\");"),
            "policies/90-ours.cedar:1:129: warning: ours.0: matches nothing: there is no ToolSet `tradign` \
             [matches-nothing]; did you mean `trading`?",
        ),
        (
            format!("{head} == Gatewright::Tool::\"pay\");"),
            "there is no Tool `pay` [matches-nothing]; policies name it by its id: `id-of-pay`",
        ),
        (
            format!("{head} is Gatewright::Tool) unless {{ context.net.zones.contains(Gatewright::NetZone::\"vpn\") }};"),
            "there is no NetZone `vpn` [unknown-literal]; nothing goes by it now",
        ),
        (
            format!("{head} is Gatewright::Tool) when {{ context.token.scopes.contains(Gatewright::Scope::\"agent:pya\") }};"),
            "there is no Scope `agent:pya` [unknown-literal]; did you mean `agent:pay`?",
        ),
        (
            "permit (principal == Gatewright::Agent::\"bot\", action in Gatewright::Action::\"use\", resource is Gatewright::Tool);"
                .to_owned(),
            "[matches-nothing]; policies name it by its id: `id-of-bot`",
        ),
        (
            "forbid (principal, action == Gatewright::Action::\"call:calc\", resource);".to_owned(),
            "matches nothing: agents run `calc` themselves",
        ),
    ];
    let warnings = warned(&table.clone().map(|(policy, _)| policy));
    for ((policy, says), warnings) in table.iter().zip(&warnings) {
        assert!(warnings.contains(says), "{policy}:\n{warnings}");
    }
    let fine = [
        format!("{head} in Gatewright::ToolSet::\"trading\");"),
        format!("{head} is Gatewright::Tool) when {{ context.token.scopes.contains(Gatewright::Scope::\"agent:calc\") }};"),
        // Who says which tokens carry it makes it a scope; groups nobody knows here.
        "permit (principal in Gatewright::Group::\"any\", action == Gatewright::Action::\"hold_scope\", resource) \
         when { resource == Gatewright::Scope::\"agent:new\" };"
            .to_owned(),
    ];
    assert_eq!(warned(&fine), [""; 3]);
}

#[test]
fn templates_are_looked_at_too() {
    let warnings = warned(&["permit (principal in ?principal, action in \
                             Gatewright::Action::\"use\", resource in \
                             Gatewright::ToolSet::\"tradign\");"
        .to_owned()]);
    let warnings = &warnings[0];
    assert!(warnings.contains("[matches-nothing]; did you mean `trading`?"), "{warnings}");
}

#[test]
fn nobody_warns_without_a_registry() {
    let mut sources = sources();
    let text = "@id(\"ours.x\") @title(\"A rule of ours\") forbid (principal, action in \
                Gatewright::Action::\"use\", resource in Gatewright::ToolSet::\"tradign\");";
    sources.policies.push(SourceFile::new("policies", "90-ours.cedar", text));
    assert_eq!(Bundle::from_sources(sources).unwrap().warnings(), []);
}

#[test]
fn a_permit_that_another_makes_idle_is_told() {
    let wide = "@id(\"ours.wide\") @title(\"Wide\") permit (principal is Gatewright::Agent, action in \
                Gatewright::Action::\"use\", resource is Gatewright::Tool) when { context.session.aal >= 2 };";
    let narrow = |scope: &str, conditions: &str| {
        format!(
            "@id(\"ours.x\") @title(\"A narrow one\") permit ({scope}, resource in Gatewright::ToolSet::\"trading\") {conditions};"
        )
    };
    let resource_of = |text: String| {
        text.replace(
            "in Gatewright::ToolSet::\"trading\"",
            "is Gatewright::Tool in Gatewright::ToolSet::\"trading\"",
        )
    };
    let call = "principal is Gatewright::Agent in Gatewright::Role::\"llm\", action in Gatewright::Action::\"call\"";
    let asks =
        "when { context.session.aal >= 2 && context.risk == Gatewright::RiskLevel::\"low\" }";
    let narrow = [
        resource_of(narrow(call, asks)).replace("trading", "calculators"),
        // It asks for less, or for something else.
        resource_of(narrow(call, "")),
        resource_of(narrow(call, "unless { context.session.aal >= 2 }")),
        // It is about more.
        resource_of(narrow("principal, action in Gatewright::Action::\"call\"", asks)),
        resource_of(narrow(
            "principal is Gatewright::User, action in Gatewright::Action::\"call\"",
            asks,
        )),
        resource_of(narrow("principal is Gatewright::Agent, action", asks))
            .replace("permit", "forbid"),
    ];
    let numbered = narrow.iter().enumerate();
    let numbered: Vec<String> =
        numbered.map(|(number, it)| it.replace("ours.x", &format!("ours.{number}"))).collect();
    let bundle = surveyed(&format!("{wide}\n{}", numbered.join("\n")));
    let bundle = bundle.unwrap_or_else(|it| panic!("{it:?}"));
    let shadowed = bundle.warnings().iter().filter(|it| it.problem.contains("`ours.wide`"));
    let shadowed: Vec<_> = shadowed.filter_map(|it| it.policy.as_deref()).collect();
    assert_eq!(shadowed, ["ours.0"]);
}

#[test]
fn the_starter_shadows_none_of_its_permits() {
    let bundle = Bundle::starter().unwrap();
    let told: Vec<String> = bundle.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(told, [""; 0]);
}

#[test]
fn nothing_that_is_valid_can_fail_but_what_the_lint_knows() {
    // Each of these could fail when it is evaluated, if it were let through.
    let conditions = [
        "decimal(context.call.digest).lessThan(decimal(\"1.0\"))",
        "decimal(\"1.00005\").lessThan(decimal(\"1.0\"))",
        "ip(\"10.0.0.300\").isIpv4()",
        "datetime(\"2026-13-01\") < context.clock.now",
        "duration(\"1x\") < context.session.age",
        "context.call.text.getTag(\"/a\") == \"x\"",
        "context.call.number.getTag(context.call.digest) == 1",
        "context.delegation.depth > 1",
        "resource.owner.state == Gatewright::Lifecycle::\"active\"",
        "context has delegation && context.delegation.mandate.max_depth > 1",
        "principal.owner == principal",
    ];
    let numbered = conditions.iter().enumerate().map(|(number, condition)| {
        format!(
            "@id(\"ours.{number}\") @title(\"A rule of ours\") forbid (principal, action in \
             Gatewright::Action::\"call\", resource) when {{ {condition} }};\n"
        )
    });
    let faults = surveyed(&numbered.collect::<String>()).unwrap_err();
    for (number, condition) in conditions.iter().enumerate() {
        let id = format!("ours.{number}");
        assert!(faults.iter().any(|it| it.policy.as_ref() == Some(&id)), "{condition}");
    }
    let permit = "permit (principal is Gatewright::Agent, action in Gatewright::Action::\"call\", \
                  resource is Gatewright::Tool) when { context.usage.calls_ever + 1 > 5 };";
    let warnings = &warned(&[permit.to_owned()])[0];
    assert!(
        warnings.contains("can overflow") && warnings.contains("[total-permits]"),
        "{warnings}"
    );
}
