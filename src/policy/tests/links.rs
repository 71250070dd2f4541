//! Links of a bundle: what they become, and what is wrong with them.

use super::*;
use cedar_policy::PolicyId;

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

#[test]
fn a_link_is_in_the_slices_of_what_it_is_about_and_leaves_the_others_small() {
    let link = "[[link]]\nid = \"x\"\ntemplate = \"grant.agent-tool\"\nprincipal = \"Agent:lingua\"\n\
                resource = \"ToolSet:translation\"\n";
    let (plain, bundle) = (Bundle::from_sources(sources()).unwrap(), linked(link).unwrap());
    let x = PolicyId::new("x");
    let mut with = 0;
    for env in bundle.schema().request_envs() {
        let [was, is] = [&plain, &bundle]
            .map(|it| it.slice(env.principal(), env.action(), env.resource()).clone());
        let is_in = is.policy(&x).is_some();
        with += usize::from(is_in);
        assert_eq!(is.policies().count(), was.policies().count() + usize::from(is_in));
    }
    assert!(with > 0);
}
