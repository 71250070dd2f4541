//! Questions to Cedar, and what was answered.

use std::sync::Arc;

use super::action::Resource;
use super::behalf::Party;
use super::case::{Case, Recorded};
use super::facts::{History, Particulars};
use super::remembered::Told;
use super::uid;
use super::verdict::Outcome;
use crate::audit::Actor;
use crate::directory::Principal;
use crate::policy::{Bundle, Fix, Link};

/// One question to Cedar, but for who is asking.
#[derive(Clone)]
pub struct Question<'a> {
    pub action: &'static str,
    pub event: &'static str,
    pub resource: &'a dyn Resource,
    pub particulars: Particulars,
    /// None for the bundle that is active, told of no past.
    pub past: Option<Remembrance>,
    /// What it costs by itself, whatever was used before: millionths of a US dollar.
    pub cost_micros: u64,
}

/// What is told of the past, and the bundle that wants to know it.
#[derive(Clone)]
pub struct Remembrance {
    pub bundle: Arc<Bundle>,
    pub history: History,
}

/// What Cedar said, and everything it said it on.
pub struct Answer {
    pub outcome: Outcome,
    /// Who was denied, when it is not the caller but one in whose name it asks.
    pub denied: Option<Actor>,
    pub told: Arc<Told>,
    pub bundle: Arc<Bundle>,
    /// The question, for the audit.
    pub recorded: Option<Recorded>,
    /// The grants that were in force.
    pub links: Vec<Arc<Link>>,
}

/// What a decision stands on, besides who asked what.
#[derive(Clone)]
pub struct Grounds {
    told: Arc<Told>,
    pub bundle: Arc<Bundle>,
    links: Vec<Arc<Link>>,
}

impl Grounds {
    /// The decision as one that can be made again.
    pub fn case(&self, party: Party<'_>, action: &str, resource: &dyn Resource) -> Case {
        let caller = party.caller;
        let target = resource.uid();
        let own = caller.principal().entity_where(caller.session().proof.attested);
        let mut entities = vec![own.clone()];
        let others = match party.behalf {
            None => Some(Vec::new()),
            Some(it) => it.others().map(|them| {
                entities.extend(them.iter().map(|it| it.entity().clone()));
                them.iter().map(Principal::uid).collect()
            }),
        };
        if entities.iter().all(|it| it.uid() != target) {
            entities.extend(resource.entity().cloned());
        }
        Case {
            principal: own.uid(),
            action: uid::action(action),
            resource: target,
            others,
            facts: self.told.facts.clone(),
            entities,
            links: self.links.clone(),
        }
    }
}

impl Answer {
    /// The titles of the policies that denied, as one text for people.
    pub fn detail(&self) -> String {
        if !self.outcome.errors.is_empty() {
            return "a policy failed to evaluate, so nothing is allowed; tell an administrator"
                .into();
        }
        if let Some(unfit) = &self.told.unfit {
            return unfit.told();
        }
        let titles: Vec<&str> = self
            .outcome
            .reasons
            .iter()
            .filter_map(|id| self.bundle.meta(id))
            .map(|it| it.title.as_str())
            .collect();
        let why = match titles.is_empty() {
            true => "no policy permits it".into(),
            false => titles.join("; "),
        };
        match &self.denied {
            Some(it) => format!("for the {} `{}`: {why}", it.kind, it.name),
            None => why,
        }
    }

    /// The decision as one that can be made again, on other facts or by another bundle.
    pub fn case(&self, party: Party<'_>, question: &Question<'_>) -> Case {
        self.grounds().case(party, question.action, question.resource)
    }

    /// What it was decided on, besides who asked what.
    pub fn grounds(&self) -> Grounds {
        let (told, bundle) = (self.told.clone(), self.bundle.clone());
        Grounds { told, bundle, links: self.links.clone() }
    }

    /// Whether a counter took part in the denial.
    pub fn is_quota_refusal(&self) -> bool {
        self.outcome.reasons.iter().any(|id| self.is_quota(id))
    }

    /// Whether nothing but counters did.
    pub fn is_quota_alone(&self) -> bool {
        self.is_quota_refusal() && self.outcome.reasons.iter().all(|id| self.is_quota(id))
    }

    fn is_quota(&self, id: &str) -> bool {
        self.bundle.meta(id).is_some_and(|it| it.fix == Some(Fix::Wait))
    }
}
