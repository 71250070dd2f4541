//! The starter bundle, compiled in, and the root tier that every bundle carries.

use super::fault::Fault;
use super::load::{SourceFile, Sources, Tests};

/// The file of the root tier, in every policy directory.
pub(super) const ROOT_NAME: &str = "00-root.cedar";

macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path)))),+]
    };
}

/// Every file of the starter bundle: its path, as `gatewright init` writes it, and its text.
pub const FILES: &[(&str, &str)] = files![
    "policies/00-root.cedar",
    "policies/10-guardrails.cedar",
    "policies/20-roles-and-scopes.cedar",
    "policies/25-sessions.cedar",
    "policies/30-registry.cedar",
    "policies/40-use.cedar",
    "policies/50-human-in-the-loop.cedar",
    "policies/60-limits.cedar",
    "policies/70-delegation.cedar",
    "policies/80-admin.cedar",
    "policies/85-queries.cedar",
    "policies/templates/grant.cedar",
    "policies/tests/admin.toml",
    "policies/tests/api-keys.toml",
    "policies/tests/approvals.toml",
    "policies/tests/calls.toml",
    "policies/tests/credentials.toml",
    "policies/tests/decisions.toml",
    "policies/tests/delegation.toml",
    "policies/tests/fixtures.toml",
    "policies/tests/grants.toml",
    "policies/tests/guardrails.toml",
    "policies/tests/lifecycle.toml",
    "policies/tests/limits.toml",
    "policies/tests/queries.toml",
    "policies/tests/registry.toml",
    "policies/tests/root.toml",
    "policies/tests/scopes.toml",
    "policies/tests/sessions.toml",
    "schemas/gatewright.cedarschema",
];

impl Sources {
    /// The starter bundle, its decision table included.
    pub fn starter() -> Sources {
        let (policies, tests) = below("policies/").partition(|it| it.name.ends_with(".cedar"));
        Sources {
            schema: below("schemas/").collect(),
            policies,
            links: None,
            history: None,
            entities: None,
            tests: Tests::of(tests),
        }
    }
}

/// `sources` with the root tier of this release.
///
/// # Errors
/// The sources bring a root tier of their own: who may change the rules is not theirs to say.
pub(super) fn with_root_tier(mut sources: Sources) -> Result<Sources, Fault> {
    let Some(ours) = below("policies/").find(|it| it.name == ROOT_NAME) else {
        return Err(Fault::whole(ROOT_NAME, "this release lacks its root tier"));
    };
    match sources.policies.iter().find(|it| it.name == ROOT_NAME) {
        Some(theirs) if theirs.text == ours.text => {}
        Some(theirs) => {
            return Err(Fault::whole(
                &theirs.path,
                "the root tier differs from that of this release",
            )
            .fixed_by("delete the file, it is part of every bundle"));
        }
        None => {
            sources.policies.push(ours);
            sources.policies.sort_by(|a, b| a.name.cmp(&b.name));
        }
    }
    Ok(sources)
}

/// Whether this is the text of the root tier of this release.
pub(super) fn is_root_tier(text: &str) -> bool {
    below("policies/").any(|it| it.name == ROOT_NAME && it.text == text)
}

fn below(directory: &'static str) -> impl Iterator<Item = SourceFile> {
    FILES.iter().filter_map(move |(path, text)| {
        let name = path.strip_prefix(directory)?;
        Some(SourceFile {
            name: name.to_owned(),
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        })
    })
}
