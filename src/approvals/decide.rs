//! Yes, no, and never mind.

use std::sync::Arc;

use super::{Approval, Approvals, CancelApproval, DecideApproval, Verdict, micros};
use crate::authz::Permit;
use crate::authz::facts::ApprovalState;
use crate::store::Statement;
use crate::{Error, Result};

impl Approvals {
    /// Writes down what a person says; a yes is good for a short while, and for one call.
    ///
    /// # Errors
    /// A conflict where somebody else was first.
    pub async fn decide(&self, permit: Permit<DecideApproval>) -> Result<Arc<Approval>> {
        let (caller, action, approval, warrant) = permit.spend();
        if action.if_match.is_some_and(|it| it != approval.revision) {
            return Err(Error::PreconditionFailed);
        }
        let now = self.clock.micros();
        let state = action.verdict.state();
        let expires_at = match action.verdict {
            Verdict::Approve => now.saturating_add(micros(self.terms.approved)),
            Verdict::Reject => approval.expires_at,
        };
        warrant.note("verdict", state.as_str());
        warrant.note("digest", approval.digest.as_str());
        let decided = ended(&approval, state, now)
            .bind(caller.principal().id())
            .bind(action.reason.as_deref())
            .bind(expires_at);
        self.ledger.commit(&warrant, vec![decided, silenced(&approval)]).await.map_err(
            |error| match (error, action.if_match) {
                (Error::Conflict(_), Some(_)) => Error::PreconditionFailed,
                (other, _) => other,
            },
        )?;
        self.again(&approval).await
    }

    /// Takes a pending request back.
    ///
    /// # Errors
    /// A conflict where it was decided in the meantime.
    pub async fn cancel(&self, permit: Permit<CancelApproval>) -> Result<Arc<Approval>> {
        let (caller, action, approval, warrant) = permit.spend();
        let cancelled = ended(&approval, ApprovalState::Cancelled, self.clock.micros())
            .bind(caller.principal().id())
            .bind(action.reason.as_deref())
            .bind(approval.expires_at);
        self.ledger.commit(&warrant, vec![cancelled, silenced(&approval)]).await?;
        self.again(&approval).await
    }

    async fn again(&self, approval: &Approval) -> Result<Arc<Approval>> {
        self.news.stir();
        self.find(approval.id).await?.ok_or(Error::NotFound)
    }
}

/// The end of a pending approval; who ended it, why, and until when that holds are bound last.
fn ended(approval: &Approval, state: ApprovalState, now: i64) -> Statement {
    Statement::new(
        "UPDATE approvals
         SET state = $2, decided_at = $3, updated_at = $3, decided_by = $5, reason = $6,
             expires_at = $7, revision = revision + 1
         WHERE id = $1 AND state = 'pending' AND revision = $4 AND expires_at > $3",
    )
    .expect_rows(1)
    .bind(approval.id)
    .bind(state.as_str())
    .bind(now)
    .bind(approval.revision)
}

/// Nobody needs to be told of it any more.
fn silenced(approval: &Approval) -> Statement {
    Statement::new("DELETE FROM approval_notices WHERE approval_id = $1").bind(approval.id)
}
