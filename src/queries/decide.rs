//! Asking the bundle, and what is told of its answer.

use cedar_policy::{Entity, EntityUid};

use super::inquiry::{Inquiry, Who};
use super::model::{Decision, Told};
use super::names::Thing;
use super::particulars::{Particular, Telling};
use crate::Result;
use crate::authz::case::Case;
use crate::authz::explain::{self, Fact, Hanging};
use crate::authz::facts::Facts;
use crate::authz::verdict::Outcome;
use crate::authz::{Action as _, Resource, UseKind};
use crate::credentials::RequestCredential;
use crate::gateway::InvokeTool;
use crate::policy::typed::tool_of;

/// Why nothing was decided about a call that nobody said the arguments of.
const ARGUMENTS_MISSING: &str = "arguments_missing";

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
    ///
    /// # Errors
    /// What deciding needs is down.
    pub(super) async fn answered(
        &self,
        case: &Case,
        mut outcome: Outcome,
        telling: Telling,
    ) -> Result<Decision> {
        let is_undecided = self.is_undecided(case, telling);
        let hanging = self.has_turn(&self.told).then(|| self.hanging(case, telling));
        let (mut conditions, mut code) = (Vec::new(), is_undecided.then_some(ARGUMENTS_MISSING));
        match hanging.transpose()? {
            Some(Hanging::On(it)) => conditions = it,
            Some(Hanging::No(reasons)) if is_undecided => (outcome.reasons, code) = (reasons, None),
            Some(Hanging::No(_)) | None => {}
        }
        let title = |id: &String| explain::meta(self.bundle(), case, id).map(|it| it.title.clone());
        let titles: Vec<String> = outcome.reasons.iter().filter_map(title).collect();
        let reason = match (outcome.errors.is_empty(), titles.is_empty(), code.is_some()) {
            (false, _, _) => "a policy failed to evaluate, so nothing is allowed".to_owned(),
            (true, _, true) => "it hangs on the arguments, which nobody said".to_owned(),
            (true, true, _) => "no policy permits it".to_owned(),
            (true, false, _) => titles.join("; "),
        };
        let mut told =
            Told { reason, code, policies: outcome.reasons, conditions, ..Told::default() };
        let cured = !outcome.allow && outcome.errors.is_empty() && !is_undecided;
        if cured && self.has_turn(&self.cures) {
            let asked = (case.clone(), self.bundle().clone());
            told.fix = self.authz.fixes(self.caller, asked, telling.cost_micros).await;
        }
        Ok(Decision { decision: outcome.allow, context: Box::new(told) })
    }

    /// Whether policies look at arguments that nobody said, so that nothing could be decided.
    pub(super) fn is_undecided(&self, case: &Case, telling: Telling) -> bool {
        let typed = || case.facts.typed(tool_of(&case.action), self.bundle());
        telling.lacks_arguments && typed().is_err()
    }

    /// What the answer hangs on, as far as the caller may read it.
    pub(super) fn hanging(&self, case: &Case, telling: Telling) -> Result<Hanging> {
        self.count(1);
        let arguments = telling.lacks_arguments.then_some(Fact::Arguments);
        let open: Vec<Fact> = arguments.into_iter().chain(Fact::PASSING).collect();
        let found = explain::hanging(case, self.bundle(), &open);
        let mut found = found.unwrap_or_else(|unaskable| {
            tracing::debug!(%unaskable, "a question that cannot be decided");
            Hanging::No(Vec::new())
        });
        if let Hanging::On(all) = &mut found
            && !all.is_empty()
            && !self.inspects()?
        {
            all.iter_mut().for_each(|it| it.conditions.clear());
        }
        Ok(found)
    }
}
