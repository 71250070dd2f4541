//! One decision with everything it was made on: what the audit keeps, and what any bundle can be
//! asked again, whatever has become of the world since.

mod recorded;

use std::sync::Arc;

use cedar_policy::{
    Authorizer, Entities, Entity, EntityUid, Request, RestrictedExpression, Schema,
};

use super::facts::{Facts, History, Particulars, Typed};
use super::verdict::{Outcome, verdict};
use crate::policy::typed::{TypedCall, Unfit, tool_of};
use crate::policy::{Bundle, Link, Untold};

pub(crate) use self::recorded::written;
pub use self::recorded::{Named, Recorded, Unreplayable};

/// A question to the policies and all that they may look at.
#[derive(Clone, Debug)]
pub struct Case {
    /// Who asks.
    pub principal: EntityUid,
    pub action: EntityUid,
    pub resource: EntityUid,
    /// Those in whose name it is asked, who must be allowed, too; None when one of them was gone,
    /// and then nothing is allowed.
    pub others: Option<Vec<EntityUid>>,
    pub facts: Facts,
    /// The principals and the resource, as far as they have attributes, with all their ancestors.
    pub entities: Vec<Entity>,
    /// The grants that were in force for the principals.
    pub links: Vec<Arc<Link>>,
}

/// Why a bundle cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum Unaskable {
    #[error("the schema has no such request: {0}")]
    Schema(String),
    #[error("the facts cannot be told: {0}")]
    Facts(#[source] anyhow::Error),
    /// A call whose arguments are not what its policies were checked with; it is denied.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Its policies look at what nobody counted then.
    #[error(transparent)]
    Untold(#[from] Untold),
}

impl Case {
    /// The same with other facts.
    pub fn with(&self, facts: Facts) -> Case {
        Case {
            principal: self.principal.clone(),
            action: self.action.clone(),
            resource: self.resource.clone(),
            others: self.others.clone(),
            facts,
            entities: self.entities.clone(),
            links: self.links.clone(),
        }
    }

    /// The same, told of another past.
    pub fn told(&self, history: History) -> Case {
        self.with(Facts { history: Some(history), ..self.facts.clone() })
    }

    /// The same about a resource of other attributes.
    pub fn about(&self, resource: Entity) -> Case {
        let mut entities = self.entities.clone();
        entities.retain(|it| it.uid() != resource.uid());
        entities.push(resource);
        Case { entities, ..self.clone() }
    }

    /// What `bundle` says: everybody concerned must be allowed, and the first who is not decides.
    /// Clocks of zones that nobody read when it was recorded are read now, at the instant of then.
    ///
    /// # Errors
    /// The bundle's schema does not know the request, or the facts are beyond Cedar.
    pub fn decide(&self, bundle: &Bundle) -> Result<Outcome, Unaskable> {
        let mut outcome = match self.decide_for(&self.principal, bundle) {
            Err(Unaskable::Unfit(_)) => return Ok(Outcome::denied()),
            other => other?,
        };
        if !outcome.allow {
            return Ok(outcome);
        }
        let Some(others) = &self.others else { return Ok(Outcome::denied()) };
        for other in others {
            outcome = outcome.and(self.decide_for(other, bundle)?);
            if !outcome.allow {
                break;
            }
        }
        Ok(outcome)
    }

    /// The same for one of those concerned.
    ///
    /// # Errors
    /// As [`Case::decide`].
    pub fn decide_for(&self, principal: &EntityUid, bundle: &Bundle) -> Result<Outcome, Unaskable> {
        let (request, entities) = self.request_for(principal, bundle)?;
        let action = request.action().unwrap_or(&self.action);
        let kinds = (principal.type_name(), self.resource.type_name());
        let links = self.links_of(principal);
        let policies = match links.is_empty() {
            true => Ok(None),
            false => bundle.slice_with(kinds.0, action, kinds.1, &links).map(Some),
        };
        let answer = |policies| Authorizer::new().is_authorized(&request, policies, &entities);
        Ok(match policies {
            Ok(None) => verdict(&answer(bundle.slice(kinds.0, action, kinds.1))),
            Ok(Some(granted)) => verdict(&answer(&granted)),
            Err(fault) => Outcome::failed(fault.to_string()),
        })
    }

    /// The question as Cedar takes it, for one of those concerned, and the entities it is about.
    ///
    /// # Errors
    /// As [`Case::decide`].
    pub fn request_for(
        &self,
        principal: &EntityUid,
        bundle: &Bundle,
    ) -> Result<(Request, Entities), Unaskable> {
        self.posed(principal, bundle, Some(bundle.schema()))
    }

    /// The same for facts of now that were told to fit this bundle: its schema has nothing to add
    /// but whether it knows such requests.
    ///
    /// # Errors
    /// As [`Case::decide`].
    pub(in crate::authz) fn live_request_for(
        &self,
        principal: &EntityUid,
        bundle: &Bundle,
    ) -> Result<(Request, Entities), Unaskable> {
        let kinds = (principal.type_name(), self.resource.type_name());
        if !bundle.knows(kinds.0, &self.action_in(bundle), kinds.1) {
            return Err(Unaskable::Schema("nobody can ask for it".to_owned()));
        }
        self.posed(principal, bundle, None)
    }

    fn posed(
        &self,
        principal: &EntityUid,
        bundle: &Bundle,
        schema: Option<&Schema>,
    ) -> Result<(Request, Entities), Unaskable> {
        let facts = self.facts.reading(bundle.zones()).map_err(Unaskable::Facts)?;
        let typed = facts.typed(tool_of(&self.action), bundle)?;
        let asked = match typed {
            Some(Typed { action, input }) => (action, Some(input)),
            None => (self.action.clone(), None),
        };
        self.request(principal, (asked, facts), bundle, schema)
    }

    /// The same of a call that nobody said the arguments of, under the action that it would have:
    /// held against no schema, and a condition on an argument fails to evaluate.
    ///
    /// # Errors
    /// As [`Case::decide`].
    pub fn request_without_input(
        &self,
        principal: &EntityUid,
        bundle: &Bundle,
    ) -> Result<(Request, Entities), Unaskable> {
        let facts = self.facts.reading(bundle.zones()).map_err(Unaskable::Facts)?;
        let action = facts.typed_action(tool_of(&self.action), bundle);
        let asked = (action.unwrap_or_else(|| self.action.clone()), None);
        self.request(principal, (asked, facts), bundle, None)
    }

    fn request(
        &self,
        principal: &EntityUid,
        ((action, input), facts): ((EntityUid, Option<RestrictedExpression>), Facts),
        bundle: &Bundle,
        schema: Option<&Schema>,
    ) -> Result<(Request, Entities), Unaskable> {
        let is_in = |it: &EntityUid| self.is_in(it);
        let history = bundle.past().complete(facts.history.as_ref(), &action, is_in)?;
        let facts = Facts { history: Some(history), ..facts };
        let context = facts.context_with(input).map_err(Unaskable::Facts)?;
        let mut entities = bundle.action_entities(&action).to_vec();
        let request =
            Request::new(principal.clone(), action, self.resource.clone(), context, schema)
                .map_err(|it| Unaskable::Schema(it.to_string()))?;
        let known = self.entities.iter();
        entities
            .extend(known.filter(|it| [principal, &self.resource].contains(&&it.uid())).cloned());
        entities.extend(facts.entities().map_err(Unaskable::Facts)?);
        let entities = Entities::from_entities(entities, None)
            .map_err(|it| Unaskable::Facts(anyhow::Error::from(it)))?;
        Ok((request, entities))
    }

    /// The types of the tool that is called, where it has any in `bundle`, whether or not the
    /// arguments fit them.
    pub fn typed_call<'a>(&self, bundle: &'a Bundle) -> Option<&'a TypedCall> {
        let Particulars::Call { call, .. } = &self.facts.particulars else { return None };
        bundle.typed_call(tool_of(&self.action).or(call.tool_name.as_deref())?)
    }

    /// Whether the resource is this, or is in it.
    pub(in crate::authz) fn is_in(&self, it: &EntityUid) -> bool {
        let within = self.entity(&self.resource).map(|it| it.clone().into_inner().2);
        self.resource == *it || within.is_some_and(|within| within.contains(it))
    }

    /// What `bundle` is asked: the action, or the tool's own where it has one.
    pub fn action_in(&self, bundle: &Bundle) -> EntityUid {
        let typed = self.facts.typed(tool_of(&self.action), bundle).ok().flatten();
        typed.map_or_else(|| self.action.clone(), |it| it.action)
    }

    /// Everybody who must be allowed, who asks before the others.
    pub fn principals(&self) -> impl Iterator<Item = &EntityUid> {
        std::iter::once(&self.principal).chain(self.others.iter().flatten())
    }

    /// The entity called `uid`, if it has attributes.
    pub fn entity(&self, uid: &EntityUid) -> Option<&Entity> {
        self.entities.iter().find(|it| it.uid() == *uid)
    }

    /// Grants to it, and to what it is a member of.
    pub(in crate::authz) fn links_of(&self, principal: &EntityUid) -> Vec<Arc<Link>> {
        let entity = self.entity(principal).cloned();
        let parents = entity.map(|it| it.into_inner().2).unwrap_or_default();
        let is_its = |it: &&Arc<Link>| {
            let slot = it.principal.as_ref().map(|it| &it.0);
            slot.is_none_or(|slot| slot == principal || parents.contains(slot))
        };
        self.links.iter().filter(is_its).cloned().collect()
    }
}
