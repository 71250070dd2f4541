//! Revoking a mandate, and everything that stands on it.

use std::sync::Arc;

use uuid::Uuid;

use super::Mandate;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, World};
use crate::directory::Directory;
use crate::store::Statement;
use crate::{Error, Result, authn, credentials};

#[derive(Debug)]
pub struct RevokeMandate {
    pub mandate: Uuid,
    pub if_match: Option<i64>,
}

impl Action for RevokeMandate {
    const NAME: &'static str = "revoke_mandate";
    const EVENT: &'static str = "mandate.revoke";
    type Resource = Arc<Mandate>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Mandate>>> {
        world.directory.find_mandate(self.mandate).await
    }

    fn particulars(&self, _: &Arc<Mandate>) -> Particulars {
        Particulars::Token
    }
}

impl Directory {
    /// Revokes at once: the mandate, the sessions that were opened under it at any depth, and what
    /// was vended in them. Revoking what is revoked already changes nothing.
    pub async fn revoke_mandate(&self, permit: Permit<RevokeMandate>) -> Result<()> {
        let (_, action, mandate, warrant) = permit.spend();
        if action.if_match.is_some_and(|it| it != mandate.revision()) {
            return Err(Error::PreconditionFailed);
        }
        let now = self.clock.micros();
        let revoke = Statement::new(
            "UPDATE mandates SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
        )
        .bind(mandate.id)
        .bind(now);
        let mut statements = vec![revoke, authn::ends_sessions_under(mandate.id, now)];
        statements.extend(credentials::of_mandate(mandate.id, now));
        warrant.note("user", mandate.user.to_string());
        warrant.note("agent", mandate.agent.to_string());
        self.ledger.commit(&warrant, statements).await?;
        let revoked_at = mandate.revoked_at.or(Some(now));
        let revoked = Arc::new(Mandate { revoked_at, ..Mandate::clone(&mandate) }.sealed()?);
        self.publish(|it| it.put_mandate(&revoked, now));
        Ok(())
    }
}
