//! What all principals share.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Agent, User};
use crate::Result;
use crate::audit::Actor;
use crate::authz::uid::{self, uid};

/// The names of the roles a principal is in.
pub type Roles = BTreeSet<String>;

/// The names of the groups a principal is in.
pub type Groups = BTreeSet<String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    User,
    Agent,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Agent => "agent",
        }
    }

    pub fn parse(text: &str) -> Option<Kind> {
        [Kind::User, Kind::Agent].into_iter().find(|it| it.as_str() == text)
    }

    pub fn entity_kind(self) -> uid::Kind {
        match self {
            Kind::User => uid::Kind::User,
            Kind::Agent => uid::Kind::Agent,
        }
    }
}

/// Whether a principal may do anything at all: a fact for the policies, who decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    Active,
    Suspended,
}

impl Lifecycle {
    pub fn as_str(self) -> &'static str {
        match self {
            Lifecycle::Active => "active",
            Lifecycle::Suspended => "suspended",
        }
    }

    /// Anything but `active` is not active.
    pub(super) fn parse(text: &str) -> Lifecycle {
        if text == "active" { Lifecycle::Active } else { Lifecycle::Suspended }
    }
}

/// Somebody who can ask.
#[derive(Clone, Debug)]
pub enum Principal {
    User(Arc<User>),
    Agent(Arc<Agent>),
}

/// What those are called who showed nothing. No registered user has this as an id.
const GUEST: &str = "guest";
/// What those are called who showed the bootstrap token, and the group they are in.
const BOOTSTRAP: &str = "bootstrap";

impl Principal {
    /// Somebody who showed nothing: a member of the role of guests, and of nothing else.
    pub fn guest() -> Result<Principal> {
        let roles = Roles::from([GUEST.to_owned()]);
        Ok(Principal::User(Arc::new(User::synthetic(Uuid::nil(), GUEST, roles, Groups::new())?)))
    }

    /// Whoever shows the bootstrap token.
    pub fn bootstrap() -> Result<Principal> {
        let groups = Groups::from([BOOTSTRAP.to_owned()]);
        let user = User::synthetic(Uuid::max(), BOOTSTRAP, Roles::new(), groups)?;
        Ok(Principal::User(Arc::new(user)))
    }

    /// Whether somebody showed nothing.
    pub fn is_guest(&self) -> bool {
        matches!(self, Principal::User(it) if it.id.is_nil())
    }

    /// Whether somebody showed the bootstrap token.
    pub fn is_bootstrap(&self) -> bool {
        matches!(self, Principal::User(it) if it.id.is_max())
    }

    pub fn kind(&self) -> Kind {
        match self {
            Principal::User(_) => Kind::User,
            Principal::Agent(_) => Kind::Agent,
        }
    }

    pub fn id(&self) -> Uuid {
        match self {
            Principal::User(it) => it.id,
            Principal::Agent(it) => it.id,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Principal::User(it) => &it.username,
            Principal::Agent(it) => &it.name,
        }
    }

    pub fn state(&self) -> Lifecycle {
        match self {
            Principal::User(it) => it.state,
            Principal::Agent(it) => it.state,
        }
    }

    pub fn roles(&self) -> &Roles {
        match self {
            Principal::User(it) => &it.roles,
            Principal::Agent(it) => &it.roles,
        }
    }

    pub fn groups(&self) -> &Groups {
        match self {
            Principal::User(it) => &it.groups,
            Principal::Agent(it) => &it.groups,
        }
    }

    pub fn entity(&self) -> &Entity {
        match self {
            Principal::User(it) => &it.entity,
            Principal::Agent(it) => &it.entity,
        }
    }

    /// As Cedar sees it where it did, or did not, prove a key of its own.
    pub fn entity_where(&self, attested: bool) -> &Entity {
        match self {
            Principal::Agent(it) if attested => it.attested_entity(),
            other => other.entity(),
        }
    }

    /// Goes up with every change.
    pub fn revision(&self) -> i64 {
        match self {
            Principal::User(it) => it.revision,
            Principal::Agent(it) => it.revision,
        }
    }

    pub fn uid(&self) -> EntityUid {
        self.entity().uid()
    }

    pub fn actor(&self) -> Actor {
        Actor {
            kind: self.kind().as_str().into(),
            id: self.id().to_string(),
            name: self.name().into(),
        }
    }
}

/// The roles and groups as parents of the principal's entity.
pub(super) fn parents(roles: &Roles, groups: &Groups) -> std::collections::HashSet<EntityUid> {
    let roles = roles.iter().map(|it| uid(uid::Kind::Role, it));
    roles.chain(groups.iter().map(|it| uid(uid::Kind::Group, it))).collect()
}
