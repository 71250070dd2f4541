//! A concrete request that shows what a rule does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Entities, EntityUid, EvalResult, PolicyId, Request, eval_expression,
};
use serde::Serialize;
use serde_json::Value as Json;

use super::super::bundle::Bundle;
use super::super::links::Link;
use super::reads::{Fact, Reads};
use super::rule::Rule;
use super::sketch::{Path, Root, Step};
use super::value::span;
use crate::authz::verdict::{Outcome, verdict};

/// What there is to say of a place with nothing in it.
const ABSENT: &str = "(absent)";

/// A request, everything it is decided on, and what came of it. It can be asked again.
#[derive(Clone, Debug, Serialize)]
pub struct Counterexample {
    pub principal: String,
    pub action: String,
    pub resource: String,
    /// What the rule in question and the policies of `by` read, and the clock, by the place that they
    /// read it from.
    pub facts: BTreeMap<String, String>,
    /// The grants that are in force for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Link>,
    /// The context, in Cedar's JSON.
    pub context: Json,
    /// The entities, in Cedar's JSON; actions are left out.
    pub entities: Json,
    pub allowed: bool,
    /// Ids of the policies that say so. None on a denial means that no permit matched.
    pub by: Vec<String>,
    /// What the other of two bundles that are compared says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<Elsewhere>,
    #[serde(skip)]
    asked: [EntityUid; 3],
}

/// What another bundle says to the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Elsewhere {
    /// What it is asked: `Action::"invoke"`, where it does not tell the calls of this tool from others.
    pub action: String,
    pub allowed: bool,
    pub by: Vec<String>,
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
        Counterexample::granted(bundle, request, entities, reads, &[])
    }

    /// The same where these grants are in force.
    pub(in crate::policy) fn granted(
        bundle: &Bundle,
        request: &Request,
        entities: &Entities,
        reads: &Reads,
        grants: &[Link],
    ) -> Option<Counterexample> {
        let (principal, action, resource) =
            (request.principal()?, request.action()?, request.resource()?);
        let kept = entities.iter().filter(|it| it.uid().type_name() != action.type_name());
        let kept = Entities::from_entities(kept.cloned(), None).ok()?;
        let mut made = Counterexample {
            principal: principal.to_string(),
            action: action.to_string(),
            resource: resource.to_string(),
            facts: BTreeMap::new(),
            grants: grants.to_vec(),
            context: request.context()?.to_json_value().ok()?,
            entities: kept.to_json_value().ok()?,
            allowed: false,
            by: Vec::new(),
            elsewhere: None,
            asked: [principal.clone(), action.clone(), resource.clone()],
        };
        let outcome = made.redecide(bundle)?;
        (made.allowed, made.by) = (outcome.allow, outcome.reasons);
        let blamed = made.by.iter().filter_map(|id| bundle.policies().policy(&PolicyId::new(id)));
        let blamed = blamed.filter_map(Rule::of);
        let reads = blamed.fold(reads.clone(), |all, it| all.and(&it.reads));
        made.facts = facts(request, entities, &reads.facts);
        let clock = facts(request, entities, &moment(bundle.zones()));
        made.facts.extend(clock.into_iter().filter(|(_, it)| it != ABSENT));
        outcome.errors.is_empty().then_some(made)
    }

    /// The same with what the other of two bundles says, and what only that one is told: each bundle
    /// is asked without the facts that its schema does not know.
    #[cfg(feature = "prove")]
    pub(in crate::policy) fn beside(mut self, other: Counterexample) -> Counterexample {
        for (place, value) in other.facts {
            let known = self.facts.entry(place).or_insert_with(|| ABSENT.to_owned());
            if *known == ABSENT {
                *known = value;
            }
        }
        let Counterexample { action, allowed, by, .. } = other;
        self.elsewhere = Some(Elsewhere { action, allowed, by });
        self
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
        let (of, about) = (principal.type_name(), resource.type_name());
        let grants: Vec<Arc<Link>> = self.grants.iter().cloned().map(Arc::new).collect();
        let policies = bundle.slice_with(of, action, about, &grants).ok()?;
        Some(verdict(&Authorizer::new().is_authorized(&request, &policies, &entities)))
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
        for it in &self.grants {
            writeln!(f, "  with a grant of {}", it.template)?;
        }
        match self.by.as_slice() {
            [] => write!(f, "  is {word}: no policy permits it")?,
            by => write!(f, "  is {word} by {}", by.join(", "))?,
        }
        match &self.elsewhere {
            Some(it) => write!(f, "\n  {it}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.allowed { "allowed" } else { "denied" };
        let action = self.action.replace("Gatewright::", "");
        match self.by.as_slice() {
            [] => write!(f, "by the other policies, {action} is {word}: none permits it"),
            by => write!(f, "by the other policies, {action} is {word} by {}", by.join(", ")),
        }
    }
}

/// Where the time is told: in the home zone, and in `zones`.
fn moment(zones: &[String]) -> BTreeSet<Fact> {
    let attributes = |steps: &[&str]| -> Vec<Step> {
        steps.iter().map(|it| Step::Attribute((*it).to_owned())).collect()
    };
    let at = |steps| Fact::At(Path { root: Root::Context, steps });
    let mut all: BTreeSet<Fact> =
        [&["clock", "now"][..], &["clock", "local", "weekday"], &["clock", "local", "time"]]
            .map(|it| at(attributes(it)))
            .into();
    for (zone, part) in zones.iter().flat_map(|zone| ["weekday", "time"].map(|it| (zone, it))) {
        let mut steps = attributes(&["clock", "world"]);
        steps.extend([Step::Tag(zone.clone()), Step::Attribute(part.to_owned())]);
        all.insert(at(steps));
    }
    all
}

fn facts(
    request: &Request,
    entities: &Entities,
    reads: &BTreeSet<Fact>,
) -> BTreeMap<String, String> {
    let read = |text: &str| match eval_expression(request, entities, &text.parse().ok()?) {
        // Its parts are told where they are read.
        Ok(EvalResult::Record(_)) => None,
        Ok(it) => Some(said(&it)),
        Err(_) => Some(ABSENT.to_owned()),
    };
    let mut all = BTreeMap::new();
    for fact in reads {
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
