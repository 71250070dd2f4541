//! Asking the bundle, and what is told of its answer.

use cedar_policy::{Entity, EntityUid};

use super::inquiry::{Inquiry, Who};
use super::model::{Decision, Told};
use super::names::Thing;
use super::particulars::Particular;
use crate::Result;
use crate::authz::case::Case;
use crate::authz::explain::{self, Pace};
use crate::authz::facts::Facts;
use crate::authz::verdict::Outcome;
use crate::authz::{Action as _, Resource, UseKind};
use crate::credentials::RequestCredential;
use crate::gateway::InvokeTool;

impl Inquiry<'_> {
    pub(super) async fn decide(
        &self,
        who: &Who,
        action: &EntityUid,
        (thing, about): (&Thing, Option<Entity>),
        mut particular: Particular,
    ) -> Result<(Case, Outcome)> {
        if let (Some(takes), Some(principal)) = (particular.takes, &who.counted) {
            particular.particulars.set_usage(self.authz.foreseen(principal, takes));
        }
        let mut facts = Facts { particulars: particular.particulars, ..who.facts.clone() };
        if let (Some(takes), Some(principal), Thing::Tool(tool)) =
            (particular.takes, &who.counted, thing)
        {
            let name = match takes.kind {
                UseKind::Call => InvokeTool::NAME,
                UseKind::Credential => RequestCredential::NAME,
            };
            let who = (principal, self.caller);
            let asked = (tool as &dyn Resource, &facts.particulars);
            let past = self.authz.foreseen_past(self.bundle(), who, name, asked).await?;
            facts.history = Some(past);
        }
        self.ask(who, action.clone(), (thing.uid(), about), facts)
    }

    /// Asks the bundle, with the grants that are in force.
    pub(super) fn ask(
        &self,
        who: &Who,
        action: EntityUid,
        (resource, about): (EntityUid, Option<Entity>),
        facts: Facts,
    ) -> Result<(Case, Outcome)> {
        let principal = who.entity.uid();
        let mut entities = vec![who.entity.clone()];
        entities.extend(who.others.iter().flatten().cloned());
        let links = self.authz.links_of(entities.iter());
        // A principal may be asked about itself; each entity is there once.
        if entities.iter().all(|it| it.uid() != resource) {
            entities.extend(about);
        }
        let others = who.others.as_ref();
        let others = others.map(|all| all.iter().map(Entity::uid).collect());
        let case = Case { principal, action, resource, others, facts, entities, links };
        self.count(1);
        let outcome = match case.decide(self.bundle()) {
            Ok(it) => it,
            Err(unaskable) => {
                tracing::debug!(%unaskable, "a question that cannot be decided");
                Outcome::denied()
            }
        };
        Ok((case, outcome))
    }

    /// What is told of a decision, and of a denial what would help.
    pub(super) fn answered(&self, case: &Case, outcome: Outcome, cost_micros: u64) -> Decision {
        let title = |id: &String| explain::meta(self.bundle(), case, id).map(|it| it.title.clone());
        let titles: Vec<String> = outcome.reasons.iter().filter_map(title).collect();
        let reason = match (&outcome.errors.is_empty(), titles.is_empty()) {
            (false, _) => "a policy failed to evaluate, so nothing is allowed".to_owned(),
            (true, true) => "no policy permits it".to_owned(),
            (true, false) => titles.join("; "),
        };
        let mut told = Told { reason, policies: outcome.reasons, ..Told::default() };
        let cured = !outcome.allow && outcome.errors.is_empty() && self.has_turn();
        if cured {
            let reach = self.authz.reach(cost_micros);
            told.fix = explain::cure(case, self.bundle(), &reach, Pace::Denial).fixes;
        }
        Decision { decision: outcome.allow, context: Box::new(told) }
    }
}
