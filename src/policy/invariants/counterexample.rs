//! A concrete request that shows what a rule does.

use std::collections::BTreeMap;
use std::fmt;

use cedar_policy::{
    Authorizer, Context, Entities, EntityUid, EvalResult, Request, eval_expression,
};
use serde::Serialize;
use serde_json::Value as Json;

use super::super::bundle::Bundle;
use super::reads::{Fact, Reads};
use super::sketch::{Path, Root, Step};
use super::value::span;
use crate::authz::verdict::{Outcome, verdict};

/// A request, everything it is decided on, and what came of it. It can be asked again.
#[derive(Clone, Debug, Serialize)]
pub struct Counterexample {
    pub principal: String,
    pub action: String,
    pub resource: String,
    /// What the rule in question reads, by the place it reads it from.
    pub facts: BTreeMap<String, String>,
    /// The context, in Cedar's JSON.
    pub context: Json,
    /// The entities, in Cedar's JSON; actions are left out.
    pub entities: Json,
    pub allowed: bool,
    /// Ids of the policies that say so. None on a denial means that no permit matched.
    pub by: Vec<String>,
    #[serde(skip)]
    asked: [EntityUid; 3],
}

impl Counterexample {
    /// What `bundle` says to `request`, if the request is one that its schema admits and no policy
    /// fails on it.
    pub(in crate::policy) fn decided(
        bundle: &Bundle,
        request: &Request,
        entities: &Entities,
        reads: &Reads,
    ) -> Option<Counterexample> {
        let (principal, action, resource) =
            (request.principal()?, request.action()?, request.resource()?);
        let kept = entities.iter().filter(|it| it.uid().type_name() != action.type_name());
        let kept = Entities::from_entities(kept.cloned(), None).ok()?;
        let mut made = Counterexample {
            principal: principal.to_string(),
            action: action.to_string(),
            resource: resource.to_string(),
            facts: facts(request, entities, reads),
            context: request.context()?.to_json_value().ok()?,
            entities: kept.to_json_value().ok()?,
            allowed: false,
            by: Vec::new(),
            asked: [principal.clone(), action.clone(), resource.clone()],
        };
        let outcome = made.redecide(bundle)?;
        (made.allowed, made.by) = (outcome.allow, outcome.reasons);
        outcome.errors.is_empty().then_some(made)
    }

    /// Asks `bundle` again, from what is printed. None where its schema has no such request.
    pub fn redecide(&self, bundle: &Bundle) -> Option<Outcome> {
        let [principal, action, resource] = &self.asked;
        let schema = bundle.schema();
        let context =
            Context::from_json_value(self.context.clone(), Some((schema, action))).ok()?;
        let entities = Entities::from_json_value(self.entities.clone(), Some(schema)).ok()?;
        let request = Request::new(
            principal.clone(),
            action.clone(),
            resource.clone(),
            context,
            Some(schema),
        )
        .ok()?;
        let policies = bundle.slice(principal.type_name(), action, resource.type_name());
        Some(verdict(&Authorizer::new().is_authorized(&request, policies, &entities)))
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |it: &str| it.replace("Gatewright::", "");
        let word = if self.allowed { "allowed" } else { "denied" };
        writeln!(f, "{} asks to {}", short(&self.principal), short(&self.action))?;
        writeln!(f, "  about {}", short(&self.resource))?;
        for (place, value) in &self.facts {
            writeln!(f, "  {} = {}", short(place), short(value))?;
        }
        match self.by.as_slice() {
            [] => write!(f, "  is {word}: no policy permits it"),
            by => write!(f, "  is {word} by {}", by.join(", ")),
        }
    }
}

fn facts(request: &Request, entities: &Entities, reads: &Reads) -> BTreeMap<String, String> {
    let read = |text: &str| {
        let value = eval_expression(request, entities, &text.parse().ok()?).ok();
        Some(value.map_or_else(|| "(absent)".to_owned(), |it| said(&it)))
    };
    let mut all = BTreeMap::new();
    for fact in &reads.facts {
        let place = match fact {
            Fact::At(path) if path.steps.is_empty() => continue,
            Fact::At(path) => written(path),
            Fact::In(path, group) => format!("{} in {group}", written(path)),
            Fact::InAt(path, at) => format!("{} in {}", written(path), written(at)),
        };
        if let Some(value) = read(&place) {
            all.insert(place, value);
        }
    }
    all
}

/// A value; durations as people write them.
fn said(value: &EvalResult) -> String {
    match value {
        EvalResult::ExtensionValue(it) => {
            let ms = it.strip_prefix("duration(\"").and_then(|it| it.strip_suffix("ms\")"));
            ms.and_then(|it| it.parse().ok()).map_or_else(|| it.clone(), span)
        }
        other => other.to_string(),
    }
}

/// A place, in Cedar.
fn written(path: &Path) -> String {
    let mut text = match path.root {
        Root::Principal => "principal",
        Root::Resource => "resource",
        Root::Context => "context",
    }
    .to_owned();
    for step in &path.steps {
        match step {
            Step::Attribute(it)
                if it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_') =>
            {
                text.push_str(&format!(".{it}"));
            }
            Step::Attribute(it) => text.push_str(&format!("[{it:?}]")),
            Step::Tag(it) => text.push_str(&format!(".getTag({it:?})")),
        }
    }
    text
}
