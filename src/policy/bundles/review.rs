//! What other people say about a bundle before it is activated.

use std::sync::Arc;

use super::stored::Stored;
use super::{Bundles, ReviewBundle};
use crate::authz::Permit;
use crate::store::Statement;
use crate::{Error, Result};

impl Bundles {
    /// Writes down what a reviewer says, in place of what they said before; nothing takes it back.
    ///
    /// # Errors
    /// A conflict where the bundle changed meanwhile.
    pub async fn review(&self, permit: Permit<ReviewBundle>) -> Result<Arc<Stored>> {
        let (caller, action, stored, warrant) = permit.spend();
        let (reviewer, now) = (caller.principal(), self.clock.micros());
        let said = action.verdict.map_or("taken back", |it| it.as_str());
        warrant.note("verdict", said);
        warrant.note("reason", action.reason.as_str());
        warrant.note("digest", stored.digest.as_str());
        let touch = Statement::new(
            "UPDATE bundles SET updated_at = $3, revision = revision + 1
             WHERE id = $1 AND revision = $2 AND state <> 'active'",
        );
        let touch = touch.bind(stored.id).bind(stored.revision).bind(now).expect_rows(1);
        let word = match action.verdict {
            Some(verdict) => Statement::new(
                "INSERT INTO bundle_reviews (bundle_id, reviewer, reviewer_name, verdict, reason,
                                             reviewed_at, against, decision_id)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (bundle_id, reviewer) DO UPDATE
                 SET verdict = excluded.verdict, reason = excluded.reason,
                     reviewed_at = excluded.reviewed_at, against = excluded.against,
                     decision_id = excluded.decision_id",
            )
            .bind(stored.id)
            .bind(reviewer.id())
            .bind(reviewer.name())
            .bind(verdict.as_str())
            .bind(action.reason)
            .bind(now)
            .bind(stored.checked_against.as_str())
            .bind(warrant.decision()),
            None => {
                Statement::new("DELETE FROM bundle_reviews WHERE bundle_id = $1 AND reviewer = $2")
                    .bind(stored.id)
                    .bind(reviewer.id())
            }
        };
        self.ledger.commit(&warrant, vec![touch, word.expect_rows(1)]).await?;
        self.find(stored.id).await?.ok_or(Error::NotFound)
    }
}
