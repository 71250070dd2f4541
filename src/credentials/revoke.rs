//! Revocation: one by one, or everything that hangs on a tool or a principal.

use std::sync::Arc;

use uuid::Uuid;

use super::{Credential, Credentials};
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, World};
use crate::store::Statement;
use crate::{Error, Result};

#[derive(Debug)]
pub struct RevokeCredential {
    pub credential: Uuid,
    pub if_match: Option<i64>,
}

impl Action for RevokeCredential {
    const NAME: &'static str = "revoke_credential";
    const EVENT: &'static str = "credential.revoke";
    type Resource = Arc<Credential>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Credential>>> {
        world.credentials.find(self.credential).await
    }

    fn particulars(&self, _: &Arc<Credential>) -> Particulars {
        Particulars::Token
    }
}

impl Credentials {
    /// Revokes at once. Revoking what is revoked or expired already changes
    /// nothing.
    pub async fn revoke(&self, permit: Permit<RevokeCredential>) -> Result<()> {
        let (_, action, credential, warrant) = permit.spend();
        if action.if_match.is_some_and(|it| it != credential.revision()) {
            return Err(Error::PreconditionFailed);
        }
        let statements = of_credential(credential.id, self.clock.micros());
        self.ledger.commit(&warrant, statements.into()).await
    }
}

/// Tells the feed first, while it can still be seen which are live, and then marks them.
/// `$1` is what the condition asks for, `$2` is now.
macro_rules! revoke_where {
    ($condition:literal, $id:expr, $now:expr) => {
        [
            Statement::new(concat!(
                "INSERT INTO revocations (seq, credential_id, revocation_ids, revoked_at, expires_at)
                 SELECT (SELECT COALESCE(MAX(seq), 0) FROM revocations)
                        + ROW_NUMBER() OVER (ORDER BY id),
                        id, revocation_ids, CAST($2 AS BIGINT), expires_at
                 FROM credentials WHERE revoked_at IS NULL AND expires_at > CAST($2 AS BIGINT) AND ",
                $condition
            ))
            .bind($id)
            .bind($now),
            Statement::new(concat!(
                "UPDATE credentials SET revoked_at = $2
                 WHERE revoked_at IS NULL AND expires_at > $2 AND ",
                $condition
            ))
            .bind($id)
            .bind($now),
        ]
    };
}

/// What revokes one credential.
fn of_credential(id: Uuid, now: i64) -> [Statement; 2] {
    revoke_where!("id = $1", id, now)
}

/// What revokes every live credential for a tool, for the commit that ends the tool.
pub fn of_tool(tool: Uuid, now: i64) -> [Statement; 2] {
    revoke_where!("tool_id = $1", tool, now)
}

/// What revokes every live credential of a principal, in its name, and in sessions that stand on
/// its own, for the commit that suspends it.
pub fn of_principal(principal: Uuid, now: i64) -> [Statement; 2] {
    revoke_where!(
        "(principal_id = $1 OR on_behalf_of = $1 OR session_id IN
           (WITH RECURSIVE under (id) AS
              (SELECT id FROM sessions WHERE principal_id = $1
               UNION SELECT s.id FROM sessions s JOIN under u ON s.parent_id = u.id)
            SELECT id FROM under))",
        principal,
        now
    )
}

/// What revokes every live credential under a mandate, for the commit that revokes the mandate.
pub fn of_mandate(mandate: Uuid, now: i64) -> [Statement; 2] {
    revoke_where!("mandate_id = $1", mandate, now)
}

/// What revokes every live credential that was vended in a session and those that stand on it, or
/// with an API key, for the commit that ends it.
pub fn of_session(root: Uuid, now: i64) -> [Statement; 2] {
    revoke_where!(
        "session_id IN
           (WITH RECURSIVE under (id) AS
              (SELECT CAST($1 AS TEXT)
               UNION SELECT s.id FROM sessions s JOIN under u ON s.parent_id = u.id)
            SELECT id FROM under)",
        root,
        now
    )
}
