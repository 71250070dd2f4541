//! Links of a bundle: what they become, and what is wrong with them.

use super::*;

fn linked(text: &str) -> Result<Bundle, Vec<Fault>> {
    let links = Some(SourceFile::new("policies", "links.toml", text));
    Bundle::from_sources(Sources { links, ..sources() })
}

#[test]
fn a_link_is_a_policy_that_goes_by_its_own_id_and_its_templates_title() {
    let bundle = linked(
        r#"
[[link]]
id = "lingua.translates"
template = "grant.agent-tool"
principal = "Agent:lingua"
resource = "ToolSet:translation"
"#,
    )
    .unwrap();
    let meta = bundle.meta("lingua.translates").unwrap();
    assert_eq!((meta.file.as_str(), meta.line, meta.template), ("links.toml", 2, false));
    assert_eq!(meta.title, bundle.meta("grant.agent-tool").unwrap().title);
    assert!(bundle.policies().policies().any(|it| it.id().to_string() == "lingua.translates"));
    assert_ne!(bundle.digest(), Bundle::from_sources(sources()).unwrap().digest());
}

#[test]
fn what_is_wrong_with_a_link_is_told_at_its_line() {
    for (text, problem) in [
        ("[[link]]\nid = 1", "invalid type"),
        ("[[link]]\nid = \"x\"\ntemplate = \"grant\"", "no template `grant`"),
        ("[[link]]\nid = \"x\"\ntemplate = \"grant.agent-tool\"", "asks for a `principal`"),
        ("[[link]]\nid = \"use.admin\"\ntemplate = \"grant.agent-tool\"", "stands in 40-use.cedar"),
        ("[[link]]\nid = \"root.x\"\ntemplate = \"grant.agent-tool\"", "root tier"),
    ] {
        let found = shown(linked(text));
        assert!(found.starts_with("policies/links.toml:"), "{found}");
        assert!(found.contains(problem), "{found}");
    }
}
