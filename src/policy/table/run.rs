//! Asking Cedar what a row asks.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use cedar_policy::{
    Authorizer, Entities, EntityUid, PolicyId, PolicySet, Request, SlotId, Template,
};

use super::facts::facts;
use super::world::{World, chain};
use super::{Expect, Grant, Row};
use crate::authz::facts::Typed;
use crate::authz::uid::action;
use crate::authz::verdict::{Outcome, verdict};
use crate::policy::bundle::Bundle;
use crate::policy::typed::tool_of;

/// Between a template's id and the number of its link.
const LINK: char = '#';

/// A row whose request stands ready.
pub(in crate::policy) struct Prepared {
    name: String,
    expect: Expect,
    by: Option<Vec<String>>,
    question: Question,
}

pub(in crate::policy) enum Question {
    /// The schema has no such request.
    Impossible(String),
    Possible(Box<Possible>),
}

pub(in crate::policy) struct Possible {
    pub(in crate::policy) request: Request,
    pub(in crate::policy) entities: Entities,
    /// The slice and the row's grants, if the row has any.
    granted: Option<PolicySet>,
}

impl Prepared {
    pub(super) fn new(row: &Row, world: &World, bundle: &Bundle) -> Result<Prepared> {
        let Row { name, principal, action: verb, resource, expect, by, facts: given, .. } = row;
        let (principal, resource, verb) = (&principal.0, &resource.0, action(verb));
        let shape = bundle.shape(&verb).with_context(|| format!("no action `{}`", row.action))?;
        let facts = facts(given, shape, resource.id().unescaped(), world, bundle)?;
        let typed = match facts.typed(tool_of(&verb), bundle) {
            Ok(typed) => typed,
            Err(unfit) => {
                let question = Question::Impossible(unfit.to_string());
                return Ok(Prepared { name: name.clone(), expect: *expect, by: None, question });
            }
        };
        let (verb, input) = match typed {
            Some(Typed { action, input }) => (action, Some(input)),
            None => (verb, None),
        };
        let asked = Request::new(
            principal.clone(),
            verb.clone(),
            resource.clone(),
            facts.context_with(input)?,
            Some(bundle.schema()),
        );
        let question = match asked {
            Err(error) => Question::Impossible(chain(&error)),
            Ok(request) => {
                let mut entities = world.slice([principal, resource], &row.change)?;
                entities.extend(facts.entities()?);
                Question::Possible(Box::new(Possible {
                    request,
                    entities: Entities::from_entities(entities, Some(bundle.schema()))
                        .map_err(|error| anyhow::anyhow!("{}", chain(&error)))?,
                    granted: granted(&row.grants, bundle, principal, &verb, resource)?,
                }))
            }
        };
        let by = by.clone().map(|mut it| {
            it.sort_unstable();
            it
        });
        Ok(Prepared { name: name.clone(), expect: *expect, by, question })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How the answer differs from what the row expects, if it does.
    pub(super) fn complaint(&self, bundle: &Bundle) -> Option<String> {
        match &self.question {
            Question::Impossible(_) if self.expect == Expect::Impossible => None,
            Question::Impossible(why) => {
                Some(format!("expected {}, but the schema refuses: {why}", self.expect.as_str()))
            }
            Question::Possible(it) => self.complaint_of(&it.decide(it.policies(bundle))),
        }
    }

    pub(in crate::policy) fn complaint_of(&self, outcome: &Outcome) -> Option<String> {
        let by = self.by.as_ref();
        if self.is_met_by(outcome) && by.is_none_or(|it| *it == determining(outcome)) {
            return None;
        }
        let word = if outcome.allow { "allow" } else { "deny" };
        let mut complaint = format!(
            "expected {}{}, got {word} by {:?}",
            self.expect.as_str(),
            by.map(|it| format!(" by {it:?}")).unwrap_or_default(),
            determining(outcome)
        );
        for error in &outcome.errors {
            complaint.push_str("; ");
            complaint.push_str(error);
        }
        Some(complaint)
    }

    /// Whether the decision would be another one without the policy (or template) called `id`.
    pub(super) fn flips_without(&self, id: &str, bundle: &Bundle) -> bool {
        let Question::Possible(it) = &self.question else { return false };
        let policies = it.policies(bundle);
        let before = it.decide(policies);
        // A policy that does not determine an answer cannot change it by going.
        before.reasons.iter().any(|it| without_link(it) == id)
            && without(policies, id).is_ok_and(|less| it.decide(&less).allow != before.allow)
    }

    fn is_met_by(&self, outcome: &Outcome) -> bool {
        outcome.errors.is_empty()
            && match self.expect {
                Expect::Allow => outcome.allow,
                Expect::Deny => !outcome.allow,
                Expect::Impossible => false,
            }
    }

    #[cfg(test)]
    pub(in crate::policy) fn question(&self) -> &Question {
        &self.question
    }
}

impl Expect {
    fn as_str(self) -> &'static str {
        match self {
            Expect::Allow => "allow",
            Expect::Deny => "deny",
            Expect::Impossible => "impossible",
        }
    }
}

impl Possible {
    pub(in crate::policy) fn policies<'a>(&'a self, bundle: &'a Bundle) -> &'a PolicySet {
        let asked = (self.request.principal(), self.request.action(), self.request.resource());
        match (&self.granted, asked) {
            (Some(granted), _) => granted,
            (None, (Some(principal), Some(action), Some(resource))) => {
                bundle.slice(principal.type_name(), action, resource.type_name())
            }
            // Every request of a table is concrete.
            (None, _) => bundle.policies(),
        }
    }

    pub(in crate::policy) fn decide(&self, policies: &PolicySet) -> Outcome {
        verdict(&Authorizer::new().is_authorized(&self.request, policies, &self.entities))
    }
}

/// The slice of the row's request with the row's grants linked; None without grants.
fn granted(
    grants: &[Grant],
    bundle: &Bundle,
    principal: &EntityUid,
    action: &EntityUid,
    resource: &EntityUid,
) -> Result<Option<PolicySet>> {
    if grants.is_empty() {
        return Ok(None);
    }
    let mut set = bundle.slice(principal.type_name(), action, resource.type_name()).clone();
    for (number, grant) in grants.iter().enumerate() {
        let id = PolicyId::new(&grant.template);
        let Some(template) = bundle.policies().template(&id) else {
            bail!("no template `{}`", grant.template);
        };
        if set.template(&id).is_none() {
            set.add_template(template.clone())?;
        }
        let link = PolicyId::new(format!("{}{LINK}{number}", grant.template));
        set.link(id, link, slots(grant, template)?)
            .with_context(|| format!("cannot link `{}`", grant.template))?;
    }
    Ok(Some(set))
}

fn slots(grant: &Grant, template: &Template) -> Result<HashMap<SlotId, EntityUid>> {
    let mut slots = HashMap::new();
    for slot in template.slots() {
        let value = if *slot == SlotId::principal() { &grant.principal } else { &grant.resource };
        let value = value.as_ref().with_context(|| format!("nothing is given for `{slot}`"))?;
        slots.insert(slot.clone(), value.0.clone());
    }
    Ok(slots)
}

pub(in crate::policy) fn without(policies: &PolicySet, id: &str) -> Result<PolicySet> {
    let gone = PolicyId::new(id);
    let kept = policies.policies().filter(|it| it.is_static() && *it.id() != gone);
    let mut set = PolicySet::from_policies(kept.cloned())?;
    for link in policies.policies().filter(|it| !it.is_static()) {
        let (Some(template), Some(values)) = (link.template_id(), link.template_links()) else {
            continue;
        };
        if *template == gone {
            continue;
        }
        if let (None, Some(it)) = (set.template(template), policies.template(template)) {
            set.add_template(it.clone())?;
        }
        set.link(template.clone(), link.id().clone(), values)?;
    }
    Ok(set)
}

fn determining(outcome: &Outcome) -> Vec<String> {
    outcome.reasons.iter().map(|it| without_link(it).to_owned()).collect()
}

fn without_link(id: &str) -> &str {
    id.split_once(LINK).map_or(id, |(template, _)| template)
}
