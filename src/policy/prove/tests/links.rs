//! Proofs about bundles with links in them.

use super::*;

/// The starter bundle with links, and more policies.
fn linked(links: &str, more: &str) -> Arc<Bundle> {
    let mut sources = Sources { tests: None, ..Sources::starter() };
    sources.links = Some(SourceFile::new("policies", "links.toml", links));
    sources.policies.push(SourceFile::new("policies", "90-ours.cedar", more));
    bundle(sources)
}

fn link(id: &str, template: &str, principal: &str) -> String {
    format!(
        "[[link]]\nid = \"{id}\"\ntemplate = \"{template}\"\nprincipal = \"{principal}\"\n\
         resource = \"ToolSet:translation\"\n"
    )
}

const LESS: &str = "@id(\"ours.less\") @title(\"Not so many\") forbid (principal, action in \
    Gatewright::Action::\"call\", resource) when { context.usage.calls_today > 50 };";

#[tokio::test]
async fn a_link_opens_and_closes_what_its_template_says_of_those_in_its_slots() {
    let grant = link("lingua.translates", "grant.agent-tool", "Agent:lingua");
    let (plain, granted) = (edited(&[], ""), linked(&grant, ""));
    let (widens, narrows) = proved(compare(plain.clone(), granted.clone()).await);
    assert!(!widens.is_empty() && narrows.is_empty(), "{narrows:?}");
    for it in &widens {
        assert!(it.contains("Agent::\"lingua\" asks to "), "{it}");
        assert!(it.contains("is allowed by lingua.translates"), "{it}");
    }
    let (widens, narrows) = proved(compare(granted.clone(), plain.clone()).await);
    assert!(widens.is_empty() && !narrows.is_empty(), "{widens:?}");

    // The same in words is the same.
    let words = "@id(\"ours.lingua\") @title(\"Lingua\") permit (principal in \
        Gatewright::Agent::\"lingua\", action in Gatewright::Action::\"use\", \
        resource in Gatewright::ToolSet::\"translation\");";
    let (widens, narrows) = proved(compare(granted.clone(), edited(&[], words)).await);
    assert!(widens.is_empty() && narrows.is_empty(), "{widens:?} {narrows:?}");

    // Links on both sides, and one forbid.
    let (widens, narrows) = proved(compare(granted.clone(), linked(&grant, LESS)).await);
    assert!(widens.is_empty() && !narrows.is_empty(), "{widens:?}");
    assert!(narrows.iter().all(|it| it.contains("is denied by ours.less")), "{narrows:?}");
    // Another in the slot.
    let other = link("lingua.translates", "grant.agent-tool", "Agent:babel");
    let (widens, narrows) = proved(compare(granted, linked(&other, "")).await);
    assert!(widens.iter().all(|it| it.contains("Agent::\"babel\"")), "{widens:?}");
    assert!(!widens.is_empty() && !narrows.is_empty());
}

#[tokio::test]
async fn invariants_are_proved_of_a_bundle_with_links() {
    let links = link("lingua.translates", "grant.agent-tool", "Agent:lingua")
        + &link("no.translations", "block.agent-tool", "Group:visitors");
    let all = invariants(linked(&links, ""), Vec::new(), LONG).await;
    assert!(all.len() > 15, "{}", all.len());
    for it in all {
        assert!(matches!(it.proof, Proof::Proven), "{}: {:?}", it.invariant, it.proof);
    }
}

#[tokio::test]
async fn links_are_among_the_policies_that_are_found_wanting() {
    let template = "@id(\"t.in\") @title(\"May sign in\") permit (principal is Gatewright::User in ?principal, action == \
        Gatewright::Action::\"sign_in\", resource);";
    let wide = "@id(\"b.wide\") @title(\"Wide\") permit (principal is Gatewright::User, action == \
        Gatewright::Action::\"sign_in\", resource);";
    let mut sources = Sources { tests: None, ..Sources::starter() };
    sources.policies.retain(|it| it.name.starts_with("00-"));
    sources.policies.push(SourceFile::new(
        "policies",
        "90-ours.cedar",
        format!("{template}\n{wide}"),
    ));
    let links = "[[link]]\nid = \"a.link\"\ntemplate = \"t.in\"\nprincipal = \"Group:staff\"\n";
    sources.links = Some(SourceFile::new("policies", "links.toml", links));
    let bundle = bundle(sources);
    let found = findings(bundle.clone(), LONG).await;
    assert_eq!(found.not_proved, None);
    assert_eq!(found.shadowed, ["a.link"]);
    let applies = never_applies(bundle.clone(), "a.link".into(), LONG).await;
    let Proof::Refuted { counterexample } = applies else { panic!("{applies:?}") };
    let fact = "principal in Gatewright::Group::\"staff\"";
    assert_eq!(counterexample.facts.get(fact).map(String::as_str), Some("true"));
    let same = equivalent(bundle, "a.link".into(), "b.wide".into(), LONG).await;
    assert!(matches!(same, Proof::Refuted { .. }), "{same:?}");
}
