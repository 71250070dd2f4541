//! Who and what a question names: principals and tools of Gatewright by id or name, and things of
//! the types that a bundle declares for itself.

use std::sync::Arc;

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid};
use serde_json::json;
use uuid::Uuid;

use super::model::{Named, Properties};
use super::overlay::snake;
use super::right::About;
use crate::authz::uid::{Kind, NAMESPACE, registry, uid};
use crate::authz::{Resource as _, ScopeResource, World};
use crate::credentials::ToolRef;
use crate::directory::{Principal, Snapshot};
use crate::policy::Bundle;
use crate::policy::vocabulary::basename;
use crate::registry::Tool;

/// The role of machines that host tools.
const MCP_SERVER: &str = "mcp_server";

/// What can be named in one request.
pub struct Names {
    pub bundle: Arc<Bundle>,
    pub world: World,
    principals: Arc<Snapshot>,
}

/// A type of subjects.
#[derive(Clone, Debug, PartialEq)]
pub enum SubjectKind {
    User,
    Agent,
    /// An agent that hosts tools.
    McpServer,
    /// Whoever an access token stands for (COAZ): a user or an agent.
    Identity,
    Declared(EntityTypeName),
}

/// A type of resources.
#[derive(Clone, Debug, PartialEq)]
pub enum ThingKind {
    Tool,
    Principal(SubjectKind),
    Registry,
    Scope,
    Declared(EntityTypeName),
}

/// Somebody who is asked about.
pub struct Subject {
    /// As far as it is known; what stands in for somebody unknown otherwise.
    pub entity: Entity,
    pub principal: Option<Principal>,
    pub known: bool,
    /// Whom the right to ask is about.
    pub about: About,
}

/// Something that is asked about.
#[derive(Clone)]
pub enum Thing {
    Tool(Arc<Tool>),
    Principal(Principal),
    /// Of a closed vocabulary, or of the schema alone.
    Plain(EntityUid, Option<Entity>),
    /// Of a type of the bundle's own; without an entity when the bundle tells of none.
    Declared(EntityUid, Option<Entity>),
}

impl Names {
    pub fn new(bundle: Arc<Bundle>, world: &World) -> Names {
        let principals = world.directory.snapshot();
        Names { bundle, world: world.clone(), principals }
    }

    pub fn principals(&self) -> &Snapshot {
        &self.principals
    }

    /// The type of subjects that goes by this word, if there is one.
    pub fn subject_kind(&self, word: &str) -> Option<SubjectKind> {
        Some(match word {
            "user" => SubjectKind::User,
            "agent" => SubjectKind::Agent,
            MCP_SERVER => SubjectKind::McpServer,
            "identity" => SubjectKind::Identity,
            other => SubjectKind::Declared(self.declared(other)?),
        })
    }

    /// The type of resources that goes by this word, if there is one.
    pub fn thing_kind(&self, word: &str) -> Option<ThingKind> {
        Some(match word {
            "tool" => ThingKind::Tool,
            "registry" => ThingKind::Registry,
            "scope" => ThingKind::Scope,
            other => match self.subject_kind(other)? {
                SubjectKind::Declared(kind) => ThingKind::Declared(kind),
                kind => ThingKind::Principal(kind),
            },
        })
    }

    /// By its full name, or by the last part of it in snake case.
    fn declared(&self, word: &str) -> Option<EntityTypeName> {
        let own = |it: &&str| it.rsplit_once("::").map_or("", |(space, _)| space) != NAMESPACE;
        let mut kinds = self.bundle.vocabulary().kinds().filter(own);
        kinds.find(|it| *it == word || snake(basename(it)) == word)?.parse().ok()
    }

    pub fn subject(&self, kind: Option<&SubjectKind>, id: &str) -> Subject {
        match kind {
            Some(SubjectKind::Declared(kind)) => self.kept_subject(kind, id),
            Some(kind) => match self.principal(kind, id) {
                Some(it) => Subject::of(it),
                None => Subject::stand_in(kind, id),
            },
            None => Subject {
                entity: Entity::with_uid(registry()),
                principal: None,
                known: false,
                about: About::other(id),
            },
        }
    }

    fn kept_subject(&self, kind: &EntityTypeName, id: &str) -> Subject {
        let uid = EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        let kept = self.bundle.kept().one(&uid).cloned();
        Subject {
            known: kept.is_some(),
            entity: kept.unwrap_or_else(|| Entity::with_uid(uid)),
            principal: None,
            about: About::other(id),
        }
    }

    /// A principal by id, or else by name.
    pub fn principal(&self, kind: &SubjectKind, id: &str) -> Option<Principal> {
        let as_id: Option<Uuid> = id.parse().ok();
        let known = &self.principals;
        let user = || {
            let found = as_id.and_then(|it| known.user(it)).or_else(|| known.user_named(id));
            found.cloned().map(Principal::User)
        };
        let agent = || {
            let found = as_id.and_then(|it| known.agent(it)).or_else(|| known.agent_named(id));
            found.cloned().map(Principal::Agent)
        };
        match kind {
            SubjectKind::User => user(),
            SubjectKind::Agent => agent(),
            SubjectKind::McpServer => agent().filter(is_mcp_server),
            SubjectKind::Identity => user().or_else(agent),
            SubjectKind::Declared(_) => None,
        }
    }

    /// A principal as an answer names it, so that asking by that name is asking about it.
    pub fn shown(&self, kind: &SubjectKind, word: &str, principal: &Principal) -> Named {
        let found = self.principal(kind, principal.name()).map(|it| it.id());
        shown(word, principal.name(), principal.id(), found)
    }

    /// A tool by id, or else by name.
    pub fn tool(&self, id: &str) -> Option<Arc<Tool>> {
        let by_id = id.parse().ok().and_then(|it| ToolRef::Id(it).find(&self.world));
        by_id.or_else(|| ToolRef::Name(id.to_owned()).find(&self.world))
    }

    pub fn thing(&self, kind: &ThingKind, id: &str) -> Option<Thing> {
        match kind {
            ThingKind::Tool => self.tool(id).map(Thing::Tool),
            ThingKind::Principal(kind) => self.principal(kind, id).map(Thing::Principal),
            ThingKind::Registry => {
                let it = registry();
                (it.id().unescaped() == id).then_some(Thing::Plain(it, None))
            }
            ThingKind::Scope => {
                let scope = ScopeResource::new(id);
                Some(Thing::Plain(scope.uid(), scope.entity().cloned()))
            }
            ThingKind::Declared(kind) => {
                let uid = EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
                let kept = self.bundle.kept().one(&uid).cloned();
                Some(Thing::Declared(uid, kept))
            }
        }
    }
}

/// Whether a principal hosts tools.
pub fn is_mcp_server(principal: &Principal) -> bool {
    matches!(principal, Principal::Agent(it) if it.roles.contains(MCP_SERVER))
}

impl SubjectKind {
    /// As Cedar knows it, where there is one such type.
    pub fn type_name(&self) -> EntityTypeName {
        match self {
            SubjectKind::User | SubjectKind::Identity => Kind::User.type_name().clone(),
            SubjectKind::Agent | SubjectKind::McpServer => Kind::Agent.type_name().clone(),
            SubjectKind::Declared(it) => it.clone(),
        }
    }
}

impl Subject {
    pub fn of(principal: Principal) -> Subject {
        let entity = principal.entity().clone();
        let about = About::principal(entity.clone(), principal.name());
        Subject { entity, principal: Some(principal), known: true, about }
    }

    /// For somebody who is not there: the right to ask is decided as it would be about a principal
    /// who belongs to nobody, so that a refusal does not tell whether there is one.
    fn stand_in(kind: &SubjectKind, id: &str) -> Subject {
        let one = |kind: Kind, id: &str| json!({ "__entity": { "type": kind.type_name().to_string(), "id": id } });
        let state = one(Kind::Lifecycle, "active");
        let attributes = match kind {
            SubjectKind::Agent | SubjectKind::McpServer => {
                json!({ "state": state, "owner": one(Kind::User, ""), "attested": false })
            }
            _ => json!({ "state": state }),
        };
        let name = kind.type_name().to_string();
        let written =
            json!({ "uid": { "type": name, "id": "" }, "attrs": attributes, "parents": [] });
        let entity = Entity::from_json_value(written, None)
            .unwrap_or_else(|_| Entity::with_uid(uid(Kind::User, "")));
        let about = About::principal(entity.clone(), id);
        Subject { entity, principal: None, known: false, about }
    }
}

impl Thing {
    pub fn uid(&self) -> EntityUid {
        match self {
            Thing::Tool(it) => it.uid(),
            Thing::Principal(it) => it.uid(),
            Thing::Plain(uid, _) | Thing::Declared(uid, _) => uid.clone(),
        }
    }

    pub fn entity(&self) -> Option<&Entity> {
        match self {
            Thing::Tool(it) => it.entity(),
            Thing::Principal(it) => Some(it.entity()),
            Thing::Plain(_, it) | Thing::Declared(_, it) => it.as_ref(),
        }
    }

    pub fn tool_owner(&self) -> Option<String> {
        match self {
            Thing::Tool(it) => Some(it.owner.to_string()),
            _ => None,
        }
    }
}

/// Something as an answer names it: by its name, where `found` by that name is nothing else.
pub fn shown(kind: &str, name: &str, id: Uuid, found: Option<Uuid>) -> Named {
    let properties = Properties::from_iter([("id".to_owned(), id.to_string().into())]);
    // What looks like an id is taken for one.
    let is_good = found == Some(id) && name.parse::<Uuid>().is_err();
    let known_by = if is_good { name.to_owned() } else { id.to_string() };
    Named { kind: kind.to_owned(), id: known_by, properties }
}
