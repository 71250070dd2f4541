//! Where values are kept: under a tool, or under a user for a tool.

use std::fmt;

use uuid::Uuid;

/// `tools/<id>` or `users/<id>/tools/<id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecretPath {
    tool: Uuid,
    user: Option<Uuid>,
}

impl SecretPath {
    /// What every call of the tool is made with.
    pub fn tool(tool: Uuid) -> SecretPath {
        SecretPath { tool, user: None }
    }

    /// What calls of the tool are made with for one user.
    pub fn of_user(user: Uuid, tool: Uuid) -> SecretPath {
        SecretPath { tool, user: Some(user) }
    }

    pub(super) fn tool_id(self) -> Uuid {
        self.tool
    }

    pub(super) fn user_id(self) -> Option<Uuid> {
        self.user
    }
}

impl fmt::Display for SecretPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = self.user {
            write!(out, "users/{user}/")?;
        }
        write!(out, "tools/{}", self.tool)
    }
}
