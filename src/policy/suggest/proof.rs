//! That a suggestion allows no more: shown by what it is made of, without a solver.

use std::collections::BTreeMap;

use cedar_policy::Effect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::Bundle;

/// Whether a candidate may allow anything that the active bundle does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Widening {
    /// True when it certainly allows nothing more.
    pub nothing: bool,
    /// What that rests on; or why it is not proved.
    pub why: String,
}

impl Widening {
    /// A forbid can turn an allow into a denial and nothing else: so a bundle that differs from
    /// another by forbids that it has more, and in nothing else, allows nothing that the other does
    /// not. A forbid that fails to evaluate denies here, too.
    pub fn of(active: &Bundle, candidate: &Bundle) -> Widening {
        match difference(active, candidate) {
            None => Widening {
                nothing: true,
                why:
                    "it differs from the active bundle by forbids that it adds, and in nothing else"
                        .to_owned(),
            },
            Some(other) => Widening { nothing: false, why: format!("not proved: {other}") },
        }
    }
}

/// The first thing in which `candidate` differs but for forbids that it adds.
fn difference(active: &Bundle, candidate: &Bundle) -> Option<String> {
    let (ours, theirs) = (active.sources(), candidate.sources());
    let parts = [
        ("schema", ours.schema == theirs.schema),
        ("links", ours.links == theirs.links),
        ("history", ours.history == theirs.history),
    ];
    if let Some((part, _)) = parts.into_iter().find(|(_, same)| !same) {
        return Some(format!("the {part} differs"));
    }
    let (before, now) = (written(active), written(candidate));
    for (id, text) in &before {
        match now.get(id) {
            Some((_, other)) if *other == text.1 => {}
            Some(_) => return Some(format!("`{id}` differs")),
            None => return Some(format!("`{id}` is gone")),
        }
    }
    let added = now
        .iter()
        .find(|(id, (effect, _))| !before.contains_key(*id) && *effect != Some(Effect::Forbid));
    added.map(|(id, _)| format!("`{id}` is no forbid"))
}

/// Every policy and template by its id; templates have no effect of their own.
fn written(bundle: &Bundle) -> BTreeMap<String, (Option<Effect>, String)> {
    let all = bundle.policies();
    let policies =
        all.policies().map(|it| (it.id().to_string(), (Some(it.effect()), it.to_string())));
    let templates = all.templates().map(|it| (it.id().to_string(), (None, it.to_string())));
    policies.chain(templates).collect()
}
