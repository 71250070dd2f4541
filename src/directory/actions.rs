//! What can be asked about one principal or all of them, whatever their kind.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use uuid::Uuid;

use super::{Agent, Roles, Snapshot, User};
use crate::authz::facts::Particulars;
use crate::authz::{Action, Candidates, Listing, Resource, View, World};
use crate::{Error, Result};

/// A kind of principal that the directory keeps.
pub trait Member: Debug + Send + Sync + 'static {
    /// The action that decides who may see one.
    const VIEW: &'static str;
    const LIST_EVENT: &'static str;

    fn id(&self) -> Uuid;
    fn name(&self) -> &str;
    fn entity(&self) -> &Entity;
    /// All of them, in the order of their ids.
    fn all(snapshot: &Snapshot) -> Vec<Arc<Self>>;
}

macro_rules! member {
    ($type:ident, $name:ident, $all:ident, $view:literal, $list:literal) => {
        impl Member for $type {
            const VIEW: &'static str = $view;
            const LIST_EVENT: &'static str = $list;

            fn id(&self) -> Uuid {
                self.id
            }

            fn name(&self) -> &str {
                &self.$name
            }

            fn entity(&self) -> &Entity {
                &self.entity
            }

            fn all(snapshot: &Snapshot) -> Vec<Arc<Self>> {
                snapshot.$all()
            }
        }
    };
}

member!(User, username, users, "view_user", "user.list");
member!(Agent, name, agents, "view_agent", "agent.list");

impl<M: Member> Resource for Arc<M> {
    fn uid(&self) -> EntityUid {
        M::entity(self).uid()
    }

    fn entity(&self) -> Option<&Entity> {
        Some(M::entity(self))
    }

    fn name(&self) -> &str {
        M::name(self)
    }

    fn view(&self) -> Option<View> {
        Some(View { action: M::VIEW, particulars: || Particulars::Token })
    }
}

/// The principals of one kind that a caller may see.
#[derive(Debug)]
pub struct List<M> {
    after: Option<Uuid>,
    page_size: usize,
    of: PhantomData<M>,
}

pub type ListUsers = List<User>;
pub type ListAgents = List<Agent>;

impl<M> List<M> {
    pub fn new(after: Option<Uuid>, page_size: usize) -> List<M> {
        List { after, page_size, of: PhantomData }
    }
}

impl<M: Member> Listing for List<M> {
    const NAME: &'static str = M::VIEW;
    const EVENT: &'static str = M::LIST_EVENT;
    type Item = Arc<M>;

    async fn candidates(&self, world: &World) -> Result<Candidates<Arc<M>>> {
        let mut items = M::all(&world.directory.snapshot());
        items.retain(|it| self.after.is_none_or(|after| it.id() > after));
        Ok(Candidates { items, more: false })
    }

    fn particulars(&self) -> Particulars {
        Particulars::Token
    }

    fn page_size(&self) -> usize {
        self.page_size
    }

    fn token_after(&self, item: &Arc<M>) -> String {
        item.id().to_string()
    }
}

/// An action on one principal that carries nothing but which.
macro_rules! on_one {
    ($name:ident, $type:ty, $find:ident, $action:literal, $event:literal, $particulars:expr) => {
        #[derive(Debug)]
        pub struct $name(pub Uuid);

        impl Action for $name {
            const NAME: &'static str = $action;
            const EVENT: &'static str = $event;
            type Resource = Arc<$type>;

            async fn find(&self, world: &World) -> Result<Option<Arc<$type>>> {
                Ok(world.directory.snapshot().$find(self.0).cloned())
            }

            fn particulars(&self, _: &Arc<$type>) -> Particulars {
                $particulars
            }
        }
    };
}

const CHANGE: Particulars = Particulars::Admin { approval: None };

on_one!(ShowUser, User, user, "view_user", "user.show", Particulars::Token);
on_one!(SuspendUser, User, user, "suspend_user", "user.suspend", CHANGE);
on_one!(ResumeUser, User, user, "resume_user", "user.resume", CHANGE);
on_one!(ShowAgent, Agent, agent, "view_agent", "agent.show", Particulars::Token);
on_one!(SuspendAgent, Agent, agent, "suspend_agent", "agent.suspend", CHANGE);
on_one!(ResumeAgent, Agent, agent, "resume_agent", "agent.resume", CHANGE);

/// A role put on or taken from a principal.
#[derive(Clone, Debug)]
pub struct RoleChange {
    pub principal: Uuid,
    pub role: String,
    /// The revision that the caller has seen, where it insists on that one.
    pub if_match: Option<i64>,
}

macro_rules! on_role {
    ($name:ident, $type:ty, $find:ident, $action:literal, $event:literal) => {
        #[derive(Debug)]
        pub struct $name(pub RoleChange);

        impl Action for $name {
            const NAME: &'static str = $action;
            const EVENT: &'static str = $event;
            type Resource = Arc<$type>;

            async fn find(&self, world: &World) -> Result<Option<Arc<$type>>> {
                Ok(world.directory.snapshot().$find(self.0.principal).cloned())
            }

            fn particulars(&self, _: &Arc<$type>) -> Particulars {
                Particulars::Role { role: self.0.role.clone(), approval: None }
            }
        }
    };
}

on_role!(GrantUserRole, User, user, "grant_role", "role.grant");
on_role!(RevokeUserRole, User, user, "revoke_role", "role.revoke");
on_role!(GrantAgentRole, Agent, agent, "grant_role", "role.grant");
on_role!(RevokeAgentRole, Agent, agent, "revoke_role", "role.revoke");

impl RoleChange {
    pub(super) fn insist(&self, revision: i64) -> Result<()> {
        match self.if_match {
            Some(seen) if seen != revision => Err(Error::PreconditionFailed),
            _ => Ok(()),
        }
    }

    pub(super) fn grant_to(self, roles: &mut Roles) {
        roles.insert(self.role);
    }

    pub(super) fn take_from(self, roles: &mut Roles) {
        roles.remove(&self.role);
    }
}
