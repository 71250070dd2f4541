//! A bundle's sources as files by path: what travels over the API and lies in the store.

use sha2::{Digest, Sha256};

use super::stored::Files;
use crate::policy::fault::Fault;
use crate::policy::load::{ENTITIES, HISTORY, LINKS, SourceFile, Sources, Tests};
use crate::policy::starter::{self, ROOT_NAME};
use crate::policy::typed;

const SCHEMAS: &str = "schemas";
pub(super) const POLICIES: &str = "policies";
const TESTS: &str = "tests/";

/// Every file of `sources` but the root tier, which each release brings itself. One that differs
/// from it stays, for the check to refuse.
pub fn files(sources: &Sources) -> Files {
    let ours = |it: &SourceFile| it.name == ROOT_NAME && starter::is_root_tier(&it.text);
    let all = sources.files().filter(|(_, file)| !ours(file));
    all.map(|(kind, file)| {
        let folder = if kind == "schema" { SCHEMAS } else { POLICIES };
        (format!("{folder}/{}", file.name), file.text.clone())
    })
    .collect()
}

/// SHA-256, in hexadecimal, over what people wrote of these files: the same whatever release reads
/// them, which brings the root tier, and whatever arguments the registered tools take.
pub(super) fn written(files: &Files) -> String {
    let mut hash = Sha256::new();
    for (path, text) in files.iter().filter(|(path, _)| !is_added(path)) {
        hash.update(format!("{} {path}\n", path.len()));
        hash.update(Sha256::digest(text));
    }
    hex::encode(hash.finalize())
}

fn is_added(path: &str) -> bool {
    match path.split_once('/') {
        Some((SCHEMAS, name)) => name == typed::FILE,
        Some((POLICIES, name)) => name == ROOT_NAME,
        _ => false,
    }
}

/// The sources that these files are.
///
/// # Errors
/// A file that no bundle has, by its path.
pub fn sources(files: &Files) -> Result<Sources, Vec<Fault>> {
    let mut sources = Sources {
        schema: vec![],
        policies: vec![],
        links: None,
        history: None,
        entities: None,
        tests: None,
    };
    let (mut tests, mut faults) = (Vec::new(), Vec::new());
    for (path, text) in files {
        let Some((folder, name)) = path.split_once('/').filter(|(_, name)| is_plain(name)) else {
            faults.push(stray(path));
            continue;
        };
        let file = SourceFile::new(folder, name, text.as_str());
        match (folder, name) {
            (SCHEMAS, _) if name.ends_with(".cedarschema") => sources.schema.push(file),
            (POLICIES, _) if name.ends_with(".cedar") => sources.policies.push(file),
            (POLICIES, LINKS) => sources.links = Some(file),
            (POLICIES, HISTORY) => sources.history = Some(file),
            (POLICIES, ENTITIES) => sources.entities = Some(file),
            (POLICIES, _) if name.starts_with(TESTS) && is_data(name) => tests.push(file),
            _ => faults.push(stray(path)),
        }
    }
    sources.tests = Tests::of(tests);
    if faults.is_empty() { Ok(sources) } else { Err(faults) }
}

fn is_data(name: &str) -> bool {
    name.ends_with(".json") || name.ends_with(".toml")
}

/// Whether a path means the same everywhere: no empty, hidden or climbing parts.
fn is_plain(name: &str) -> bool {
    name.split('/').all(|it| !it.is_empty() && !it.starts_with('.'))
        && !name.contains(|it: char| it.is_control() || it == '\\')
}

fn stray(path: &str) -> Fault {
    let shown: String = path.chars().filter(|it| !it.is_control()).take(200).collect();
    Fault::whole(shown, "no bundle has such a file").fixed_by(
        "a bundle is `schemas/*.cedarschema`, `policies/**/*.cedar`, `policies/links.toml`, \
         `policies/history.toml`, `policies/entities.json` and `policies/tests/**` in JSON or TOML",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_apart_is_put_together_again_without_the_root_tier() {
        let starter = Sources::starter();
        let taken = files(&starter);
        assert!(!taken.contains_key("policies/00-root.cedar"));
        assert!(taken.contains_key("policies/templates/grant.cedar"));
        let again = starter::with_root_tier(sources(&taken).unwrap()).unwrap();
        assert_eq!(again.digest(), starter.digest());
    }

    #[test]
    fn what_people_wrote_is_the_same_whatever_a_release_and_a_registry_add() {
        let starter = files(&Sources::starter());
        let mut added = starter.clone();
        added.insert("policies/00-root.cedar".into(), "// of another release".into());
        added.insert("schemas/generated/tools.cedarschema".into(), "// of other tools".into());
        assert_eq!(written(&added), written(&starter));
        for path in ["policies/10-guardrails.cedar", "policies/tests/root.toml"] {
            let mut other = starter.clone();
            other.get_mut(path).unwrap().push('\n');
            assert_ne!(written(&other), written(&starter), "{path}");
        }
        let mut moved = starter.clone();
        let text = moved.remove("policies/10-guardrails.cedar").unwrap();
        moved.insert("policies/11-guardrails.cedar".into(), text);
        assert_ne!(written(&moved), written(&starter));
    }

    #[test]
    fn a_file_that_no_bundle_has_is_named() {
        for path in [
            "policies/../x.cedar",
            "policies//x.cedar",
            "policies/.x.cedar",
            "policies/x.txt",
            "x.cedar",
            "elsewhere/x.cedar",
            "policies/tests/run.sh",
            "schemas/x.cedar",
            "",
        ] {
            let files = Files::from([(path.to_owned(), String::new())]);
            let faults = sources(&files).unwrap_err();
            assert_eq!((faults.len(), faults[0].file.as_str()), (1, path));
        }
    }
}
