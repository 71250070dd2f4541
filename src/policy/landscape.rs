//! What is there for policies to speak of: tools, principals, scopes and networks.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::authz::uid::Kind;

/// A tool as policies may speak of it.
#[derive(Clone, Debug)]
pub struct KnownTool {
    /// How policies name it as a resource.
    pub id: String,
    pub name: String,
    pub input_schema: Arc<Value>,
    /// Whether calls of it pass through here; otherwise agents run it themselves, with a credential.
    pub is_called_here: bool,
}

/// What a registry, a directory and settings know at one instant.
pub trait Landscape: Send + Sync {
    /// A tool by its name, whatever its case.
    fn tool(&self, name: &str) -> Option<KnownTool>;

    /// The names of all tools.
    fn tool_names(&self) -> Vec<String>;

    /// The ids of `kind` that exist; none where that is not known here.
    fn ids(&self, kind: Kind) -> Option<BTreeSet<String>>;

    /// What people may have meant by an id of `kind`: the names that go by ids of their own.
    fn named(&self, kind: Kind, name: &str) -> Option<String>;
}

/// The candidate that `word` is likely a misspelling of.
pub fn meant<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// As alike as two words are that differ by a slip or two.
    const ALIKE_MIN: f64 = 0.75;
    let alike = |it: &str| strsim::jaro_winkler(&it.to_lowercase(), &word.to_lowercase());
    let rated = candidates.into_iter().map(|it| (alike(it), it));
    let best = rated.max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(alike, _)| *alike >= ALIKE_MIN).map(|(_, it)| it)
}
