use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{shown, sources};
use crate::authz::uid::{Kind, action};
use crate::policy::load::Sources;
use crate::policy::table::Table;
use crate::policy::{Bundle, Fix, STARTER_FILES, Tier};

#[test]
fn the_starter_bundle_passes_every_check_and_its_table() {
    assert_eq!(shown(Bundle::from_sources(Sources::starter())), "");
}

#[test]
fn no_policy_can_be_dropped_without_a_row_noticing() {
    let bundle = Bundle::starter().unwrap();
    let table = Table::read(&Sources::starter().tests.unwrap(), &bundle).unwrap();
    assert!(table.len() > 300, "the table has shrunk to {} rows", table.len());
    assert_eq!(table.unnoticed(&bundle).unwrap(), Vec::<String>::new());
}

#[test]
fn what_is_compiled_in_is_what_lies_in_the_tree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut there = BTreeSet::new();
    for directory in ["policies", "policies/templates", "policies/tests", "schemas"] {
        for entry in fs::read_dir(root.join(directory)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                there.insert(format!("{directory}/{}", entry.file_name().to_string_lossy()));
            }
        }
    }
    let compiled: BTreeSet<String> =
        STARTER_FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(compiled, there);
    let read = Sources::read(&root.join("schemas"), &root.join("policies")).unwrap();
    assert_eq!(
        Bundle::tested_before(read).unwrap().digest(),
        Bundle::starter().unwrap().digest(),
        "the digest is of names and contents, not of where the files lie"
    );
}

#[test]
fn the_digest_follows_every_file() {
    let before = Bundle::starter().unwrap();
    let mut policy = sources();
    policy.policies.last_mut().unwrap().text.push_str("// later\n");
    let mut schema = sources();
    schema.schema.last_mut().unwrap().text.push_str("// later\n");
    let digests: BTreeSet<String> = [
        before.digest().to_owned(),
        Bundle::from_sources(policy).unwrap().digest().to_owned(),
        Bundle::from_sources(schema).unwrap().digest().to_owned(),
    ]
    .into();
    assert_eq!(digests.len(), 3);
    assert!(digests.iter().all(|it| it.len() == 64));
}

#[test]
fn a_policy_is_described_as_it_is_written() {
    let bundle = Bundle::starter().unwrap();
    let meta = bundle.meta("guard.ttl.tool").unwrap();
    assert_eq!(meta.title, "A credential never lives longer than the tool's publisher allows");
    assert_eq!(meta.fix, Some(Fix::Ttl));
    assert_eq!((meta.file.as_str(), meta.tier), ("10-guardrails.cedar", Tier::Org));
    let file = STARTER_FILES.iter().find(|(path, _)| path.ends_with("10-guardrails.cedar"));
    let line = file.unwrap().1.lines().nth(meta.line - 1);
    assert_eq!(line, Some(r#"@id("guard.ttl.tool")"#));
    assert!(meta.text.starts_with(r#"@id("guard.ttl.tool")"#), "{}", meta.text);
    assert_eq!(bundle.meta("root.policy.tier").unwrap().tier, Tier::Root);
    assert!(bundle.meta("grant.agent-tool").unwrap().template);
    assert!(bundle.meta("no.such.policy").is_none());
    for (id, meta) in bundle.metas() {
        assert!(!meta.title.is_empty(), "`{id}` has no title");
    }
}

#[test]
fn what_policies_read_is_known() {
    let bundle = Bundle::starter().unwrap();
    assert_eq!(bundle.zones(), ["America/New_York"]);
    assert!(bundle.has_zone("America/New_York") && !bundle.has_zone("Europe/Berlin"));
    let scopes = bundle.token_scopes();
    assert!(scopes.contains("agent:translate") && scopes.contains("admin:all"), "{scopes:?}");
    assert!(!scopes.contains("translate"), "a tool's own word is no token scope");
    let told: BTreeSet<String> = bundle
        .action_entities(&action("invoke"))
        .iter()
        .map(|it| it.uid().id().unescaped().to_owned())
        .collect();
    assert_eq!(told, ["call", "invoke", "use"].map(String::from).into());
    assert!(bundle.action_entities(&action("fly")).is_empty());
    assert!(bundle.actions().any(|it| *it == action("sign_in")));
    assert!(bundle.actions().all(|it| *it != action("use")), "a group is nobody's request");
}

#[test]
fn what_the_schema_does_not_admit_has_no_policies() {
    let bundle = Bundle::starter().unwrap();
    let decide = action("decide_approval");
    let slice = |kind: Kind| {
        bundle.slice(kind.type_name(), &decide, Kind::Approval.type_name()).num_of_policies()
    };
    assert!(slice(Kind::User) > 0);
    assert_eq!(slice(Kind::Agent), 0);
}
