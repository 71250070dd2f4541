//! Decisions as the audit tells of them: found by their id, and explained to whom they concern.

mod actions;
mod sight;

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid, RestrictedExpression};
use uuid::Uuid;

use crate::audit::Entry;
use crate::authn::Caller;
use crate::authz::case::{Case, Unreplayable};
use crate::authz::explain::{Explanation, STACK_BYTES, explain};
use crate::authz::facts::Particulars;
use crate::authz::uid::{Kind, uid};
use crate::authz::{Resource, View};
use crate::directory::Snapshot;
use crate::policy::Bundle;
use crate::store::{Database, Value};
use crate::{App, Error, Result};

pub use self::actions::{ExplainDecision, ShowDecision};
pub use crate::authz::explain::Sight;

/// Where decisions are found.
pub struct Decisions {
    db: Arc<dyn Database>,
}

/// One of them, with what policies are told of it.
#[derive(Debug)]
pub struct Told {
    pub entry: Arc<Entry>,
    entity: Entity,
}

/// An explanation, and what it stands on.
pub struct Explained {
    pub explanation: Explanation,
    /// The digest of the bundle that was asked again.
    pub bundle: String,
}

impl Decisions {
    pub fn new(db: Arc<dyn Database>) -> Decisions {
        Decisions { db }
    }

    /// The decision of this id; none where the audit tells of none, or of something else.
    async fn find(&self, id: Uuid, known: &Snapshot) -> Result<Option<Told>> {
        let id = vec![Value::Text(id.to_string())];
        let rows = self.db.query("SELECT body FROM audit WHERE id = $1", id).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let entry: Entry = serde_json::from_str(row.text(0)?).map_err(anyhow::Error::from)?;
        match entry.action {
            Some(_) => Told::new(entry, known).map(Some),
            None => Ok(None),
        }
    }
}

impl Told {
    fn new(entry: Entry, known: &Snapshot) -> Result<Told> {
        let mut attributes = HashMap::new();
        let mut tell = |name: &str, kind: Kind, id: &str| {
            let value = RestrictedExpression::new_entity_uid(uid(kind, id));
            attributes.insert(name.to_owned(), value);
        };
        let actor = &entry.actor;
        match actor.kind.as_str() {
            "user" => tell("user", Kind::User, &actor.id),
            "agent" => {
                tell("agent", Kind::Agent, &actor.id);
                let agent = actor.id.parse().ok().and_then(|id| known.agent(id));
                if let Some(owner) = agent.map(|it| it.owner) {
                    tell("agent_owner", Kind::User, &owner.to_string());
                }
            }
            _ => {}
        }
        if let Some(user) = entry.details.get("on_behalf_of").and_then(|it| it.as_str()) {
            tell("on_behalf_of", Kind::User, user);
        }
        let uid = uid(Kind::Decision, &entry.id.to_string());
        let entity =
            Entity::new(uid, attributes, Default::default()).map_err(anyhow::Error::from)?;
        Ok(Told { entry: Arc::new(entry), entity })
    }

    /// The decision as one that can be made again.
    ///
    /// # Errors
    /// It was not recorded, or not so that this release can read it.
    pub fn case(&self) -> Result<Case, Unreplayable> {
        Case::of_entry(&self.entry)
    }
}

impl Resource for Told {
    fn uid(&self) -> EntityUid {
        self.entity.uid()
    }

    fn entity(&self) -> Option<&Entity> {
        Some(&self.entity)
    }

    fn name(&self) -> &str {
        &self.entry.event
    }

    fn view(&self) -> Option<View> {
        Some(View { action: "view_decision", particulars: || Particulars::Token })
    }
}

impl App {
    /// Makes a decision again, by the bundle that made it where that is at hand and by the active one
    /// where it is not, and takes it apart as far as `sight` goes.
    ///
    /// # Errors
    /// The bundle cannot be asked such a thing any more; too many are being explained.
    pub async fn explain(
        &self,
        caller: &Caller,
        told: &Told,
        (case, sight): (Case, Sight),
    ) -> Result<Explained> {
        let seat = self.authz.explaining(caller).await?;
        let recorded = told.entry.bundle.as_deref().and_then(|it| self.authz.bundle_of(it));
        let bundle = recorded.unwrap_or_else(|| self.authz.bundle());
        let reach = self.authz.reach(self.cost_of(&case));
        let principal = case.principal.clone();
        let (answer, explained) = tokio::sync::oneshot::channel();
        let of: Arc<Bundle> = bundle.clone();
        let work = move || {
            // Whoever asked may be gone by now.
            let _ = answer.send(explain(&case, &of, &reach, &sight));
            drop(seat);
        };
        std::thread::Builder::new()
            .name("explain".into())
            .stack_size(STACK_BYTES)
            .spawn(work)
            .map_err(anyhow::Error::from)?;
        let explained = explained.await.map_err(|_| Error::internal("an explanation stopped"))?;
        let unaskable =
            |it| Error::Conflict(format!("the policies cannot be asked this: {it}").into());
        let mut explanation = explained.map_err(unaskable)?;
        self.authz.tell_of_enrolment(&principal, &mut explanation.fix).await;
        Ok(Explained { explanation, bundle: bundle.digest().to_owned() })
    }

    /// What the tool that a decision was about costs by now, in millionths of a US dollar.
    fn cost_of(&self, case: &Case) -> u64 {
        let id = case.resource.id().unescaped().parse().ok();
        let tool = id.and_then(|id| self.registry.catalogue().tool(id).cloned());
        tool.map_or(0, |it| it.definition.cost_per_call.unsigned_abs())
    }
}
