//! Asking Cedar what a row asks.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use cedar_policy::{Authorizer, Entities, PolicySet, Request};
use serde_json::{Map, Value};

use super::entities::chain;
use super::facts::{Told, facts};
use super::fixtures::World;
use super::grants::{granted, without_link};
use super::rows::{Expect, Row};
use crate::authz::case::Case;
use crate::authz::explain::{self, Reach};
use crate::authz::facts::Typed;
use crate::authz::uid::{Kind, Reference, action};
use crate::authz::verdict::{Outcome, verdict};
use crate::policy::bundle::Bundle;
use crate::policy::meta::Fix;
use crate::policy::typed::tool_of;

/// A row whose request stands ready.
pub(in crate::policy) struct Prepared {
    name: String,
    /// Where it stands in its file, in bytes.
    at: usize,
    expect: Expect,
    by: Option<Vec<String>>,
    help: Option<Box<Help>>,
    question: Question,
    /// Which of principal and resource the fixtures do not tell of: not every kind has attributes.
    untold: Vec<String>,
}

/// The help that a denial must offer.
struct Help {
    fix: BTreeSet<Fix>,
    case: Case,
    reach: Reach,
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
    /// Gets `row`, which stands at byte `at` of its file, ready.
    pub(super) fn new(
        row: &Row,
        at: usize,
        defaults: &Map<String, Value>,
        world: &World<'_>,
        bundle: &Bundle,
    ) -> Result<Prepared> {
        let Row { name, principal, action: verb, resource, expect, by, facts: given, .. } = row;
        let (principal, resource, verb) = (&principal.0, &resource.0, action(verb));
        let shape = bundle.shape(&verb).with_context(|| format!("no action `{}`", row.action))?;
        let about = resource.id().unescaped();
        let Told { facts, home } = facts(given, defaults, shape, about, world, bundle)?;
        let untold: Vec<String> = [principal, resource]
            .into_iter()
            .filter(|it| !world.population.has(it))
            .map(|it| Reference(it.clone()).into())
            .collect();
        // Fixtures know tools by their names, and a call of one goes by its own action if it has one.
        let is_tool = Kind::of(resource.type_name()) == Some(Kind::Tool);
        let tool = tool_of(&verb).or_else(|| Some(about).filter(|_| is_tool));
        let typed = match facts.typed(tool, bundle) {
            Ok(typed) => typed,
            Err(unfit) => {
                let (name, expect) = (name.clone(), *expect);
                let question = Question::Impossible(unfit.to_string());
                return Ok(Prepared { name, at, expect, by: None, help: None, question, untold });
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
        let entities = world.population.slice([principal, resource], &row.change)?;
        let help = row.fix.clone().map(|fix| {
            let networks = world.networks();
            let reach = Reach { networks, ..Reach::at_home(home) };
            let case = Case {
                principal: principal.clone(),
                action: verb.clone(),
                resource: resource.clone(),
                others: Some(Vec::new()),
                facts: facts.clone(),
                entities: entities.clone(),
                links: row.links(),
            };
            Box::new(Help { fix, case, reach })
        });
        let question = match asked {
            Err(error) => Question::Impossible(chain(&error)),
            Ok(request) => Question::Possible(Box::new(Possible {
                request,
                entities: Entities::from_entities(
                    entities.into_iter().chain(facts.entities()?),
                    Some(bundle.schema()),
                )
                .map_err(|error| anyhow::anyhow!("{}", chain(&error)))?,
                granted: granted(&row.grants, bundle, principal, &verb, resource)?,
            })),
        };
        let by = by.clone().map(|mut it| {
            it.sort_unstable();
            it
        });
        Ok(Prepared { name: name.clone(), at, expect: *expect, by, help, question, untold })
    }

    pub(in crate::policy) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// How the answer differs from what the row expects, if it does.
    pub(super) fn complaint(&self, bundle: &Bundle) -> Option<String> {
        match &self.question {
            Question::Impossible(_) if self.expect == Expect::Impossible => None,
            Question::Impossible(why) => {
                Some(format!("expected {}, but the schema refuses: {why}", self.expect.as_str()))
            }
            Question::Possible(it) => self
                .complaint_of(&it.decide(it.policies(bundle)))
                .or_else(|| self.help.as_ref()?.complaint(bundle)),
        }
    }

    pub(in crate::policy) fn complaint_of(&self, outcome: &Outcome) -> Option<String> {
        let by = self.by.as_ref();
        if self.is_met_by(outcome) && by.is_none_or(|it| *it == determining(outcome)) {
            return None;
        }
        // Whatever policies could not read is but the consequence.
        if let (false, [one, ..]) = (outcome.errors.is_empty(), self.untold.as_slice()) {
            return Some(format!("no `{one}` in the fixtures, and policies read its attributes"));
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

    fn is_met_by(&self, outcome: &Outcome) -> bool {
        outcome.errors.is_empty()
            && match self.expect {
                Expect::Allow => outcome.allow,
                Expect::Deny => !outcome.allow,
                Expect::Impossible => false,
            }
    }

    /// What is asked, if the schema has such a request.
    pub(super) fn possible(&self) -> Option<&Possible> {
        match &self.question {
            Question::Impossible(_) => None,
            Question::Possible(it) => Some(it),
        }
    }

    #[cfg(test)]
    pub(in crate::policy) fn question(&self) -> &Question {
        &self.question
    }
}

impl Help {
    /// How the help that is found differs from what is expected, if it does.
    fn complaint(&self, bundle: &Bundle) -> Option<String> {
        let found = explain::kinds(&self.case, bundle, &self.reach).into_iter().collect();
        let words = |it: &BTreeSet<Fix>| {
            it.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
        };
        (self.fix != found)
            .then(|| format!("expected the fix [{}], got [{}]", words(&self.fix), words(&found)))
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

fn determining(outcome: &Outcome) -> Vec<String> {
    outcome.reasons.iter().map(|it| without_link(it).to_owned()).collect()
}
