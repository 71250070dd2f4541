//! That a suggestion allows no more: shown by what it is made of; where it takes the place of an older
//! one that says something else, by the solver.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::{Effect, Policy, Template};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy::Bundle;
use crate::policy::prove::{Comparison, compare_within};

/// How long the solver may take: whoever asked for the suggestion waits for it.
const PROOF_TIME_MAX: Duration = Duration::from_secs(30);

/// Whether a candidate may allow anything that the active bundle does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Widening {
    /// True when it certainly allows nothing more.
    pub nothing: bool,
    /// What that rests on; or why it is not proved, or a request that refutes it.
    pub why: String,
}

impl Widening {
    /// A forbid can turn an allow into a denial and nothing else: so a bundle that differs from
    /// another by forbids that it has more, and in nothing else, allows nothing that the other does
    /// not. A forbid that fails to evaluate denies here, too. Of any other difference the solver
    /// decides, where there is one.
    pub async fn of(active: &Arc<Bundle>, candidate: &Arc<Bundle>) -> Widening {
        let Some(other) = difference(active, candidate) else {
            let why =
                "it differs from the active bundle by forbids that it adds, and in nothing else";
            return Widening { nothing: true, why: why.to_owned() };
        };
        let compared = compare_within(active.clone(), candidate.clone(), PROOF_TIME_MAX).await;
        match compared {
            Comparison::NotProved { why } => {
                Widening { nothing: false, why: format!("not proved: {other}: {why}") }
            }
            Comparison::Proved { widens, .. } => match widens.first() {
                None => {
                    let why = format!("{other}, and the solver finds nothing that this allows");
                    Widening { nothing: true, why }
                }
                Some(it) => Widening { nothing: false, why: format!("refuted: {other}: {it}") },
            },
        }
    }
}

/// The first thing in which `candidate` differs but for forbids that it adds.
pub(super) fn difference(active: &Bundle, candidate: &Bundle) -> Option<String> {
    let (ours, theirs) = (active.sources(), candidate.sources());
    let parts = [
        ("schema", ours.schema == theirs.schema),
        ("links", ours.links == theirs.links),
        ("history", ours.history == theirs.history),
        ("entities.json", ours.entities == theirs.entities),
    ];
    if let Some((part, _)) = parts.into_iter().find(|(_, same)| !same) {
        return Some(format!("the {part} differs"));
    }
    let (before, now) = (written(active), written(candidate));
    for (id, it) in &before {
        match now.get(id) {
            Some(other) if other == it => {}
            Some(_) => return Some(format!("`{id}` differs")),
            None => return Some(format!("`{id}` is gone")),
        }
    }
    let added = now
        .iter()
        .find(|(id, (effect, _))| !before.contains_key(*id) && *effect != Some(Effect::Forbid));
    added.map(|(id, _)| format!("`{id}` is no forbid"))
}

/// Every policy and template by its id, with what it means; templates have no effect of their own.
fn written(bundle: &Bundle) -> BTreeMap<String, (Option<Effect>, Value)> {
    let all = bundle.policies();
    let policy = |it: &Policy| {
        let meaning = meaning(it.to_json().ok(), it);
        (it.id().to_string(), (Some(it.effect()), meaning))
    };
    let template = |it: &Template| (it.id().to_string(), (None, meaning(it.to_json().ok(), it)));
    all.policies().map(policy).chain(all.templates().map(template)).collect()
}

/// A policy without what is only for people: comments, which its JSON has not, and annotations.
fn meaning(json: Option<Value>, text: &impl ToString) -> Value {
    let Some(Value::Object(mut json)) = json else { return Value::String(text.to_string()) };
    json.remove("annotations");
    Value::Object(json)
}
