//! Granting and revoking roles.

use std::sync::Arc;

use uuid::Uuid;

use super::{Agent, Directory, Roles, User};
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, World};
use crate::{Error, Result};

/// A role put on or taken from a principal.
#[derive(Clone, Debug)]
pub struct RoleChange {
    pub principal: Uuid,
    pub role: String,
    /// The revision that the caller has seen, where it insists on that one.
    pub if_match: Option<i64>,
}

impl RoleChange {
    fn insist(&self, revision: i64) -> Result<()> {
        match self.if_match {
            Some(seen) if seen != revision => Err(Error::PreconditionFailed),
            _ => Ok(()),
        }
    }
}

macro_rules! role_action {
    ($name:ident, $action:literal, $event:literal, $resource:ty, $find:ident) => {
        #[derive(Debug)]
        pub struct $name(pub RoleChange);

        impl Action for $name {
            const NAME: &'static str = $action;
            const EVENT: &'static str = $event;
            type Resource = $resource;

            async fn find(&self, world: &World) -> Result<Option<$resource>> {
                Ok(world.directory.snapshot().$find(self.0.principal).cloned())
            }

            fn particulars(&self, _: &Self::Resource) -> Particulars {
                Particulars::Role { role: self.0.role.clone(), approval: None }
            }
        }
    };
}

role_action!(GrantUserRole, "grant_role", "role.grant", Arc<User>, user);
role_action!(RevokeUserRole, "revoke_role", "role.revoke", Arc<User>, user);
role_action!(GrantAgentRole, "grant_role", "role.grant", Arc<Agent>, agent);
role_action!(RevokeAgentRole, "revoke_role", "role.revoke", Arc<Agent>, agent);

impl Directory {
    pub async fn grant_user_role(&self, permit: Permit<GrantUserRole>) -> Result<Arc<User>> {
        let (_, GrantUserRole(change), user, warrant) = permit.spend();
        change.insist(user.revision)?;
        warrant.note("role", change.role.as_str());
        self.change_user(&warrant, &user, |it| add(&mut it.roles, change.role)).await
    }

    pub async fn revoke_user_role(&self, permit: Permit<RevokeUserRole>) -> Result<Arc<User>> {
        let (_, RevokeUserRole(change), user, warrant) = permit.spend();
        change.insist(user.revision)?;
        warrant.note("role", change.role.as_str());
        self.change_user(&warrant, &user, |it| remove(&mut it.roles, &change.role)).await
    }

    pub async fn grant_agent_role(&self, permit: Permit<GrantAgentRole>) -> Result<Arc<Agent>> {
        let (_, GrantAgentRole(change), agent, warrant) = permit.spend();
        change.insist(agent.revision)?;
        warrant.note("role", change.role.as_str());
        self.change_agent(&warrant, &agent, |it| add(&mut it.roles, change.role)).await
    }

    pub async fn revoke_agent_role(&self, permit: Permit<RevokeAgentRole>) -> Result<Arc<Agent>> {
        let (_, RevokeAgentRole(change), agent, warrant) = permit.spend();
        change.insist(agent.revision)?;
        warrant.note("role", change.role.as_str());
        self.change_agent(&warrant, &agent, |it| remove(&mut it.roles, &change.role)).await
    }
}

fn add(roles: &mut Roles, role: String) {
    roles.insert(role);
}

fn remove(roles: &mut Roles, role: &str) {
    roles.remove(role);
}
