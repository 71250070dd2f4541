//! One decision with everything it was made on: what the audit keeps, and what any bundle can be
//! asked again, whatever has become of the world since.

mod recorded;

use std::sync::Arc;

use cedar_policy::{Authorizer, Entities, Entity, EntityUid, Request};

use super::facts::Facts;
use super::verdict::{Outcome, verdict};
use crate::policy::{Bundle, Link};

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
}

impl Case {
    /// The same with other facts.
    pub fn with(&self, facts: Facts) -> Case {
        Case { facts, ..self.clone() }
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
        let mut outcome = self.decide_for(&self.principal, bundle)?;
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
        let kinds = (principal.type_name(), self.resource.type_name());
        let links = self.links_of(principal);
        let policies = match links.is_empty() {
            true => Ok(None),
            false => bundle.slice_with(kinds.0, &self.action, kinds.1, &links).map(Some),
        };
        let answer = |policies| Authorizer::new().is_authorized(&request, policies, &entities);
        Ok(match policies {
            Ok(None) => verdict(&answer(bundle.slice(kinds.0, &self.action, kinds.1))),
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
        let facts = self.facts.reading(bundle.zones()).map_err(Unaskable::Facts)?;
        let context = facts.context().map_err(Unaskable::Facts)?;
        let request = Request::new(
            principal.clone(),
            self.action.clone(),
            self.resource.clone(),
            context,
            Some(bundle.schema()),
        )
        .map_err(|it| Unaskable::Schema(it.to_string()))?;
        let mut entities = bundle.action_entities(&self.action).to_vec();
        let known = self.entities.iter();
        entities
            .extend(known.filter(|it| [principal, &self.resource].contains(&&it.uid())).cloned());
        entities.extend(facts.entities().map_err(Unaskable::Facts)?);
        let entities = Entities::from_entities(entities, None)
            .map_err(|it| Unaskable::Facts(anyhow::Error::from(it)))?;
        Ok((request, entities))
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
