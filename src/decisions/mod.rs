//! Decisions as the audit tells of them: found by their id, and explained to whom they concern.

mod actions;
mod sight;

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid, RestrictedExpression};
use uuid::Uuid;

use crate::audit::Entry;
use crate::authn::Caller;
use crate::authz::case::{Case, Unaskable, Unreplayable};
use crate::authz::explain::{Explanation, Reach, STACK_BYTES, explain};
use crate::authz::facts::Particulars;
use crate::authz::uid::{Kind, uid};
use crate::authz::{Resource, View};
use crate::directory::Snapshot;
use crate::patience::outside;
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
    /// None where the decision cannot be made again; the notes say why.
    pub explanation: Option<Explanation>,
    /// The bundle that was asked again: the one that decided where it is at hand.
    pub bundle: Arc<Bundle>,
    pub notes: Vec<String>,
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
    /// Makes a decision again, by the bundle that made it where the store has that and by the active
    /// one where it has not, and takes it apart as far as `sight` goes.
    ///
    /// # Errors
    /// The store does not answer; too many are being explained.
    pub async fn explain(
        &self,
        caller: &Caller,
        told: &Told,
        (case, sight): (Case, Sight),
    ) -> Result<Explained> {
        let seat = self.authz.explaining(caller).await?;
        let active = self.authz.bundle();
        let (bundle, standing) = match self.decider_of(&told.entry).await? {
            Some(it) if it.digest() == active.digest() => (active, Standing::Active),
            Some(it) => (it, Standing::Earlier),
            None => (active, Standing::Another),
        };
        let reach = self.authz.reach(self.cost_of(&case));
        let principal = case.principal.clone();
        Ok(match explained((case, bundle.clone()), reach, sight, seat).await? {
            Ok(mut it) => {
                self.authz.tell_of_enrolment(&principal, &mut it.fix).await;
                let notes = standing.note(&bundle).into_iter().collect();
                Explained { explanation: Some(it), bundle, notes }
            }
            Err(why) => {
                let notes = vec![standing.unasked(&why)];
                Explained { explanation: None, bundle, notes }
            }
        })
    }

    /// The bundle that made a decision, where the store has it.
    async fn decider_of(&self, entry: &Entry) -> Result<Option<Arc<Bundle>>> {
        match &entry.bundle {
            Some(digest) => outside(self.bundles.of_digest(digest)).await,
            None => Ok(None),
        }
    }

    /// What the tool that a decision was about costs by now, in millionths of a US dollar.
    fn cost_of(&self, case: &Case) -> u64 {
        let id = case.resource.id().unescaped().parse().ok();
        let tool = id.and_then(|id| self.registry.catalogue().tool(id).cloned());
        tool.map_or(0, |it| it.definition.cost_per_call.unsigned_abs())
    }
}

/// What the bundle that is asked again is to the decision.
#[derive(Clone, Copy)]
enum Standing {
    /// It made it, and decides still.
    Active,
    /// It made it, and decides no more.
    Earlier,
    /// It is the active one; that which made the decision is not at hand.
    Another,
}

impl Standing {
    fn note(self, bundle: &Bundle) -> Option<String> {
        match self {
            Standing::Active => None,
            Standing::Earlier => Some(format!(
                "another bundle decides by now: this is how the one that decided, `{}`, decides",
                bundle.digest()
            )),
            Standing::Another => Some(
                "the bundle that decided is not at hand: this is how another one decides, the active one"
                    .into(),
            ),
        }
    }

    fn unasked(self, why: &Unaskable) -> String {
        match self {
            Standing::Active | Standing::Earlier => {
                format!("the decision cannot be made again: {why}")
            }
            Standing::Another => format!(
                "the bundle that decided is not at hand, and the active one cannot be asked: {why}"
            ),
        }
    }
}

/// Explains on a thread of its own, which has the stack for it.
async fn explained(
    (case, bundle): (Case, Arc<Bundle>),
    reach: Reach,
    sight: Sight,
    seat: impl Send + 'static,
) -> Result<Result<Explanation, Unaskable>> {
    let (answer, explained) = tokio::sync::oneshot::channel();
    let work = move || {
        // Whoever asked may be gone by now.
        let _ = answer.send(explain(&case, &bundle, &reach, &sight));
        drop(seat);
    };
    std::thread::Builder::new()
        .name("explain".into())
        .stack_size(STACK_BYTES)
        .spawn(work)
        .map_err(anyhow::Error::from)?;
    outside(explained).await.map_err(|_| Error::internal("an explanation stopped"))
}
