//! Putting a recorded question to other policies: whether it can be put at all, and what they say.

use std::borrow::Cow;

use cedar_policy::{Entities, Entity};
use serde_json::Value;

use crate::authz::case::Case;
use crate::authz::facts::Facts;
use crate::authz::verdict::Outcome;
use crate::policy::{Bundle, Declared};

/// Why nobody knows what a candidate makes of a recorded decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// The entry was written before decisions were recorded with all that they were made on.
    NotRecorded,
    /// The entry cannot be read.
    Unreadable,
    /// The candidate has no such action.
    UnknownAction,
    /// The candidate's schema asks for facts or attributes that were not recorded, or has others;
    /// or its policies read what was counted otherwise then.
    NotInSchema,
    /// Not even the bundle that decided it gives the recorded answer.
    NotReproduced,
}

impl Unknown {
    const ALL: [Unknown; 5] = [
        Unknown::NotRecorded,
        Unknown::Unreadable,
        Unknown::UnknownAction,
        Unknown::NotInSchema,
        Unknown::NotReproduced,
    ];

    /// The word for it in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Unknown::NotRecorded => "no_recorded_facts",
            Unknown::Unreadable => "unreadable",
            Unknown::UnknownAction => "unknown_action",
            Unknown::NotInSchema => "not_in_schema",
            Unknown::NotReproduced => "not_reproduced",
        }
    }

    /// The reason of this name.
    pub fn named(word: &str) -> Option<Unknown> {
        Unknown::ALL.into_iter().find(|it| it.as_str() == word)
    }

    /// The same in words.
    pub const fn told(self) -> &'static str {
        match self {
            Unknown::NotRecorded => "were recorded without the facts that they were made on",
            Unknown::Unreadable => "cannot be read",
            Unknown::UnknownAction => "ask for an action that the candidate does not know",
            Unknown::NotInSchema => "do not fit the candidate's schema, or what it counts",
            Unknown::NotReproduced => "do not come out as recorded even under their own bundle",
        }
    }
}

/// What `candidate` says to the question of `case`, which was answered with `allowed` by a bundle
/// that declared `then`, where that is known.
///
/// # Errors
/// Why it cannot be asked.
pub fn ask(
    case: &Case,
    candidate: &Bundle,
    (allowed, then): (bool, Option<&Declared>),
) -> Result<Outcome, Unknown> {
    if candidate.action_entities(&case.action).is_empty() {
        return Err(Unknown::UnknownAction);
    }
    if !is_admitted(case, candidate) {
        // Whoever may not even ask is denied; but an allow is not taken back by a schema unseen.
        return if allowed { Err(Unknown::NotInSchema) } else { Ok(Outcome::denied()) };
    }
    let case = as_counted(case, candidate, then);
    fits(&case, candidate).map_err(|_| Unknown::NotInSchema)?;
    case.decide(candidate).map_err(|_| Unknown::NotInSchema)
}

/// The same without what the candidate counts otherwise: a namesake is another number, and policies
/// that read it cannot be asked.
fn as_counted<'a>(case: &'a Case, candidate: &Bundle, then: Option<&Declared>) -> Cow<'a, Case> {
    let Some(told) = &case.facts.history else { return Cow::Borrowed(case) };
    let history = candidate.past().counted_alike(told, then);
    if history == *told {
        return Cow::Borrowed(case);
    }
    Cow::Owned(case.with(Facts { history: Some(history), ..case.facts.clone() }))
}

/// Whether the schema lets principals of these types ask this of a resource of that type.
fn is_admitted(case: &Case, bundle: &Bundle) -> bool {
    let schema = bundle.schema();
    let principals = || schema.principals_for_action(&case.action).into_iter().flatten();
    let mut resources = schema.resources_for_action(&case.action).into_iter().flatten();
    case.principals().all(|leg| principals().any(|it| it == leg.type_name()))
        && resources.any(|it| it == case.resource.type_name())
}

/// Holds the entities against the candidate's schema: an attribute that is not there would fail to
/// evaluate, and look like a denial. One that the candidate does not know is in nobody's way: none
/// of its policies can read it.
fn fits(case: &Case, bundle: &Bundle) -> anyhow::Result<()> {
    let told = case.facts.reading(bundle.zones())?.entities()?;
    let all = || case.entities.iter().chain(&told);
    let hold = |all: Vec<Entity>| -> anyhow::Result<()> {
        Entities::from_entities(all, Some(bundle.schema()))?;
        Ok(())
    };
    if hold(all().cloned().collect()).is_err() {
        hold(all().map(|it| as_known(it, bundle)).collect::<anyhow::Result<_>>()?)?;
    }
    Ok(())
}

/// The entity without attributes that the bundle's schema does not declare.
fn as_known(entity: &Entity, bundle: &Bundle) -> anyhow::Result<Entity> {
    let mut written = entity.to_json_value()?;
    let kind = bundle.vocabulary().kind(entity.uid().type_name());
    if let (Some(attributes), Some(kind)) =
        (written.get_mut("attrs").and_then(Value::as_object_mut), kind)
    {
        attributes.retain(|name, _| kind.attributes.contains_key(name));
    }
    Ok(Entity::from_json_value(written, None)?)
}
