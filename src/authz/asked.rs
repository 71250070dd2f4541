//! A question without its resource, asked about one resource or another.

use std::sync::Arc;

use cedar_policy::{EntityTypeName, EntityUid, PolicySet, Request};

use super::action::Resource;
use super::answer::{Answer, Question};
use super::case::{Named, Recorded};
use super::decide::Decider;
use super::facts::Particulars;
use super::remembered::{Graph, Told};
use super::verdict::{Outcome, verdict};
use crate::Result;
use crate::policy::{Bundle, Link, Narrow, Sight, Ungrantable};

/// A question without its resource.
pub struct Asked<'a> {
    pub(super) decider: &'a Decider,
    pub(super) bundle: Arc<Bundle>,
    pub(super) told: Arc<Told>,
    pub(super) action: EntityUid,
    pub(super) caller: Leg,
    /// Those in whose name the caller asks; None when one of them is gone.
    pub(super) others: Option<Vec<Leg>>,
}

/// One of those who must be allowed.
pub(super) struct Leg {
    pub(super) principal: EntityUid,
    /// It, and the action, with their ancestors.
    pub(super) graph: Arc<Graph>,
    /// The grants to it, and to what it is a member of.
    pub(super) links: Vec<Arc<Link>>,
}

impl Asked<'_> {
    /// Asks about one resource, for everybody concerned.
    pub fn about(&self, resource: &dyn Resource) -> Result<Outcome> {
        self.of_all(resource).map(|(outcome, _)| outcome)
    }

    /// The same, with which of the others it was who was denied, if it was one of them. The first
    /// who is denied decides, the caller before the others.
    pub(super) fn of_all(&self, resource: &dyn Resource) -> Result<(Outcome, Option<usize>)> {
        let mut outcome = self.of(&self.caller, resource)?;
        if !outcome.allow {
            return Ok((outcome, None));
        }
        let Some(others) = &self.others else { return Ok((Outcome::denied(), None)) };
        for (at, other) in others.iter().enumerate() {
            outcome = outcome.and(self.of(other, resource)?);
            if !outcome.allow {
                return Ok((outcome, Some(at)));
            }
        }
        Ok((outcome, None))
    }

    /// Asks for one of them. What cannot be asked is a denial.
    fn of(&self, leg: &Leg, resource: &dyn Resource) -> Result<Outcome> {
        if self.told.unfit.is_some() {
            return Ok(Outcome::denied());
        }
        let target = resource.uid();
        let request = Request::new(
            leg.principal.clone(),
            self.action.clone(),
            target.clone(),
            self.told.context.clone(),
            self.told.schema(&self.bundle),
        );
        let request = match request {
            Ok(it) => it,
            Err(error) => return Ok(unknown(&error.to_string())),
        };
        // A principal may ask about itself; the graph holds each entity once.
        let resource = resource.entity().filter(|_| target != leg.principal).cloned();
        let told = self.told.entities.iter().cloned();
        let entities = leg
            .graph
            .entities
            .clone()
            .add_entities(told.chain(resource), None)
            .map_err(anyhow::Error::from)?;
        // A question that the schema does not know finds no policies, and nothing allows it.
        let types = (leg.principal.type_name(), target.type_name());
        let answer = |it: &PolicySet| {
            verdict(&self.decider.authorizer.is_authorized(&request, it, &entities))
        };
        if !leg.links.is_empty() {
            return Ok(match self.granted(leg, types.1) {
                Ok(policies) => answer(&policies),
                Err(fault) => Outcome::failed(fault.to_string()),
            });
        }
        Ok(match (&self.told.facts.delegation, leg.graph.narrow(types.1)) {
            (None, Some(narrow)) => answer(narrow.about(&target, &entities)),
            (None, None) => Outcome::denied(),
            (Some(_), _) => answer(self.bundle.slice(types.0, &self.action, types.1)),
        })
    }

    /// What the policies can tell resources of this type apart by; none where more than policies
    /// and resource may matter: grants, somebody else's word, or facts that name a resource.
    pub fn sight(&self, resource_type: &EntityTypeName) -> Option<&Sight> {
        let facts = &self.told.facts;
        let names_none =
            matches!(facts.particulars, Particulars::Base | Particulars::Token | Particulars::Find);
        let alone = facts.delegation.is_none() && self.others.as_ref().is_some_and(Vec::is_empty);
        let plain = names_none && alone && self.caller.links.is_empty();
        let is_own = self.caller.principal.type_name() == resource_type;
        let narrow = self.caller.graph.narrow(resource_type).filter(|_| plain && !is_own);
        narrow.map(Narrow::sight)
    }

    /// The slice with the grants of `leg`.
    fn granted(
        &self,
        leg: &Leg,
        resource_type: &EntityTypeName,
    ) -> Result<Arc<PolicySet>, Ungrantable> {
        let of = (&self.bundle, leg.links.as_slice());
        self.decider.remembered.granted(&leg.principal, &self.action, resource_type, of, || {
            let principal_type = leg.principal.type_name();
            self.bundle.slice_with(principal_type, &self.action, resource_type, &leg.links)
        })
    }

    /// The question as the audit keeps it.
    pub(super) fn recorded(&self, question: &Question<'_>, links: Vec<Arc<Link>>) -> Recorded {
        let resource = question.resource;
        let target = resource.uid();
        let others = self.others.iter().flatten();
        let legs = || std::iter::once(&self.caller).chain(others.clone());
        let of_legs = legs().filter_map(|it| it.graph.written.clone());
        let is_new = legs().all(|it| it.principal != target);
        let of_resource = is_new.then(|| resource.written()).flatten();
        Recorded {
            principal: Named::of(&self.caller.principal),
            action: question.action.to_owned(),
            resource: Named::of(&target),
            others: self
                .others
                .as_ref()
                .map(|them| them.iter().map(|it| Named::of(&it.principal)).collect()),
            entities: of_legs.chain(of_resource).collect(),
            links,
        }
    }

    /// Every grant in force for anybody concerned, once.
    pub(super) fn links(&self) -> Vec<Arc<Link>> {
        let mut links = self.caller.links.clone();
        for it in self.others.iter().flatten().flat_map(|it| &it.links) {
            if !links.contains(it) {
                links.push(it.clone());
            }
        }
        links
    }

    /// What came of asking.
    pub fn answer(self, outcome: Outcome) -> Answer {
        let links = self.links();
        let (denied, recorded) = (None, None);
        Answer { outcome, denied, told: self.told, bundle: self.bundle, recorded, links }
    }
}

/// The schema says who may ask what about whom; anything else no policy can allow.
fn unknown(error: &str) -> Outcome {
    tracing::debug!(error, "a question that the schema does not know");
    Outcome::denied()
}
