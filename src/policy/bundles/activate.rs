//! Making a bundle the one that decides: on this replica at once, on the others as they follow.

use std::sync::Arc;

use super::stored::{State, Stored};
use super::{ActivateBundle, Bundles, Deciding, RollBackBundle, gate, head};
use crate::authz::{Authz, Permit, Warrant};
use crate::error::FieldFault;
use crate::patience::outside;
use crate::policy::Bundle;
use crate::store::Statement;
use crate::{Error, Result, metrics};

impl Bundles {
    /// Activates a checked bundle.
    ///
    /// # Errors
    /// A conflict where another bundle became active since it was checked, or the bundle changed;
    /// an invariant that it violates, with the request that shows it.
    pub async fn activate(
        &self,
        permit: Permit<ActivateBundle>,
        authz: &Authz,
    ) -> Result<Arc<Stored>> {
        let (_, _, stored, warrant) = permit.spend();
        self.switch(&warrant, &stored, authz).await
    }

    /// Goes back to a bundle that was active before.
    ///
    /// # Errors
    /// As [`Bundles::activate`].
    pub async fn roll_back(
        &self,
        permit: Permit<RollBackBundle>,
        authz: &Authz,
    ) -> Result<Arc<Stored>> {
        let (_, _, stored, warrant) = permit.spend();
        self.switch(&warrant, &stored, authz).await
    }

    async fn switch(
        &self,
        warrant: &Warrant,
        stored: &Arc<Stored>,
        authz: &Authz,
    ) -> Result<Arc<Stored>> {
        let bundle = outside(self.sound(stored)).await?;
        let _turn = self.turn.lock().await;
        let head = head::read(&*self.db).await?;
        if stored.state == State::Checked
            && head.as_ref().is_none_or(|it| it.digest != stored.checked_against)
        {
            return Err(stale());
        }
        let now = self.clock.micros();
        let switch = head::Switch {
            before: head.as_ref(),
            next: stored.id,
            digest: &stored.digest,
            taken: head::Taken::No,
            now,
        };
        warrant.note("digest", stored.digest.as_str());
        warrant.note("before", head.as_ref().map(|it| it.digest.clone()));
        let mut statements = switch.statements();
        statements.push(activated(stored, now));
        self.ledger.commit(warrant, statements).await?;
        let revision = switch.revision();
        self.decide_by(authz, Deciding { id: stored.id, revision, bundle });
        self.find(stored.id).await?.ok_or(Error::NotFound)
    }

    /// The bundle as it would decide, if no invariant is against it.
    async fn sound(&self, stored: &Stored) -> Result<Arc<Bundle>> {
        let loaded = head::load(&*self.db, stored.id).await?;
        let bundle = loaded.map_err(|faults| {
            Error::Invalid(faults.iter().map(|it| fault(&it.to_string())).collect())
        })?;
        let violations = self.violations(&bundle).await?;
        if violations.is_empty() {
            return Ok(bundle);
        }
        let faults = gate::as_faults(&violations, &bundle);
        Err(Error::Invalid(faults.iter().map(|it| fault(&it.to_string())).collect()))
    }

    /// Swaps what this process decides by. Whoever calls holds the turn.
    pub(super) fn decide_by(&self, authz: &Authz, next: Deciding) {
        let before = authz.bundle();
        metrics::policy_active(before.digest(), next.bundle.digest());
        tracing::info!(digest = next.bundle.digest(), "these policies decide from now on");
        for warning in next.bundle.warnings() {
            tracing::warn!(%warning, "about the policies");
        }
        authz.activate(next.bundle.clone());
        self.deciding.store(Some(Arc::new(next)));
    }
}

fn stale() -> Error {
    Error::Conflict(
        "another bundle became active since this one was checked: check it again".into(),
    )
}

fn fault(detail: &str) -> FieldFault {
    FieldFault { pointer: "/bundle".into(), detail: detail.to_owned() }
}

/// The bundle's own row, if nothing was said or found about it since it was decided on.
fn activated(stored: &Stored, now: i64) -> Statement {
    Statement::new(
        "UPDATE bundles SET state = 'active', activated_at = $3, updated_at = $3,
                revision = revision + 1
         WHERE id = $1 AND revision = $2",
    )
    .bind(stored.id)
    .bind(stored.revision)
    .bind(now)
    .expect_rows(1)
}
