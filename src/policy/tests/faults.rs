use std::fs;

use super::{shown, sources, with};
use crate::policy::Bundle;
use crate::policy::load::{SourceFile, Sources};

#[test]
fn a_misspelled_attribute_is_shown_with_its_place_and_its_mend() {
    let found = shown(with(
        "// ours\n@id(\"ours.x\")\n@title(\"Tools must be consequential\")\nforbid (principal, action == \
         Gatewright::Action::\"invoke\", resource)\nwhen {\n  resource.consequental\n};\n",
    ));
    assert_eq!(
        found.lines().next().unwrap(),
        "policies/90-ours.cedar:6:3: ours.x: attribute `consequental` on entity type \
         `Gatewright::Tool` not found; did you mean `consequential`?"
    );
}

#[test]
fn a_misspelled_id_of_a_closed_vocabulary_is_found() {
    let found = shown(with(
        "@id(\"ours.x\") @title(\"No critical requests\") forbid (principal, action, resource) \
         when { context.risk == Gatewright::RiskLevel::\"citical\" };",
    ));
    assert!(found.contains("ours.x: entity `Gatewright::RiskLevel::\"citical\"`"), "{found}");
}

#[test]
fn an_optional_fact_needs_a_test_for_its_presence() {
    let found = shown(with(
        "@id(\"ours.x\") @title(\"A fresh factor\") forbid (principal, action, resource) \
         unless { context.session.mfa_age <= duration(\"1h\") };",
    ));
    assert!(found.contains("optional attribute `session.mfa_age`"), "{found}");
}

#[test]
fn a_policy_looks_one_step_far() {
    let found = shown(with(
        "@id(\"ours.x\") @title(\"Owners must be active\") forbid (principal, action == \
         Gatewright::Action::\"invoke\", resource) unless { resource.owner.state == \
         Gatewright::Lifecycle::\"active\" };",
    ));
    assert!(found.contains("ours.x") && found.contains("level"), "{found}");
}

#[test]
fn a_policy_that_can_never_match_is_a_fault() {
    let found = shown(with(
        "@id(\"ours.x\") @title(\"Agents approve nothing\") forbid (principal is \
         Gatewright::Agent, action == Gatewright::Action::\"decide_approval\", resource);",
    ));
    assert!(found.starts_with("policies/90-ours.cedar:1:1: ours.x: "), "{found}");
}

#[test]
fn what_does_not_parse_is_shown_where_it_stops() {
    let found = shown(with("@id(\"ours.x\")\npermit (principal, action resource);"));
    assert!(found.starts_with("policies/90-ours.cedar:2:27: unexpected token"), "{found}");
}

#[test]
fn a_schema_that_does_not_parse_is_shown_where_it_stops() {
    let mut broken = sources();
    broken.schema = vec![SourceFile::new("schemas", "x.cedarschema", "entity User\nentity Tool;")];
    let found = shown(Bundle::from_sources(broken));
    assert!(found.starts_with("schemas/x.cedarschema:2:1: "), "{found}");
}

#[test]
fn an_id_is_there_once() {
    let text = "@id(\"guard.risk.high\") @title(\"Again and again\") \
                forbid (principal, action, resource);";
    let found = shown(with(text));
    assert!(found.contains("this @id stands in 10-guardrails.cedar:"), "{found}");
    let unnamed = shown(with("permit (principal is Gatewright::User, action, resource);"));
    assert!(unnamed.contains("a policy without @id; name it"), "{unnamed}");
}

#[test]
fn the_fix_is_of_the_vocabulary() {
    let found = shown(with(
        "@id(\"ours.x\") @title(\"Not on Sundays\") @fix(\"pray\") \
         forbid (principal, action, resource);",
    ));
    assert!(found.contains("ours.x: an unknown @fix; one of mfa, reauth, approval"), "{found}");
}

#[test]
fn every_bundle_carries_the_root_tier_of_the_release() {
    let mut without = sources();
    without.policies.retain(|it| it.name != "00-root.cedar");
    let bundle = Bundle::from_sources(without).unwrap();
    assert!(bundle.meta("root.role.no-self-grant").is_some());
    assert_eq!(bundle.digest(), Bundle::from_sources(sources()).unwrap().digest());

    let mut edited = sources();
    edited.policies.first_mut().unwrap().text.push(' ');
    let found = shown(Bundle::from_sources(edited));
    assert!(found.contains("00-root.cedar: the root tier differs"), "{found}");

    let found = shown(with(
        "@id(\"root.mine\") @title(\"My own rule\") forbid (principal, action, resource);",
    ));
    assert!(found.contains("only the root tier has ids that begin with `root.`"), "{found}");
}

#[test]
fn absence_is_a_fault() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("policies");
    let schemas = directory.path().join("schemas");
    fs::create_dir(&schemas).unwrap();
    let found = shown(Bundle::load(&schemas, &missing));
    assert!(found.contains("no `*.cedarschema` file"), "{found}");
    assert!(found.contains("policies: cannot be read"), "{found}");

    fs::create_dir(&missing).unwrap();
    let found = shown(Bundle::load(&schemas, &missing));
    assert!(found.contains("policies: no `*.cedar` file"), "{found}");

    let none = Sources { policies: Vec::new(), ..sources() };
    assert!(!shown(Bundle::from_sources(none)).is_empty());
}

#[test]
fn a_table_without_a_world_is_a_fault() {
    let mut starter = Sources::starter();
    starter.tests.as_mut().unwrap().fixtures.clear();
    let found = shown(Bundle::from_sources(starter));
    assert!(found.contains("no file tells of the world"), "{found}");
}
