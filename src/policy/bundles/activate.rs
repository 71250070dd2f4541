//! Making a bundle the one that decides: on this replica at once, on the others as they follow.

use std::sync::Arc;
use std::time::Duration;

use super::actions::stale;
use super::gate::{Examined, compare};
use super::report::{Compared, Invariants, Report};
use super::stored::{State, Stored};
use super::{ActivateBundle, Bundles, Deciding, RollBackBundle, gate, head};
use crate::authz::{Authz, Permit, Warrant};
use crate::error::FieldFault;
use crate::patience::outside;
use crate::policy::Bundle;
use crate::store::Statement;
use crate::{Error, Result, metrics};

/// How long the solver may take for each answer while a bundle takes another's place: whoever pulls the
/// brake is in a hurry.
const BRAKING_TIME_MAX: Duration = Duration::from_secs(5);

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
        let (bundle, _) = outside(self.sound(&stored)).await?;
        self.switch(&warrant, &stored, (bundle, activated), authz).await
    }

    /// Goes back to a bundle that was active before: checked against the people and grants of today,
    /// and compared with the bundle that is active, whatever comes of that.
    ///
    /// # Errors
    /// As [`Bundles::activate`].
    pub async fn roll_back(
        &self,
        permit: Permit<RollBackBundle>,
        authz: &Authz,
    ) -> Result<Arc<Stored>> {
        let (_, _, stored, warrant) = permit.spend();
        let active = self.active().await?.map(|it| it.digest.clone()).unwrap_or_default();
        let (bundle, invariants, comparison) = outside(async {
            let (bundle, invariants) = self.sound(&stored).await?;
            let comparison = match self.deciding() {
                // What the reviews were about.
                Some(_) if stored.is_current => stored.report.comparison.clone(),
                Some(it) => compare(it.bundle.clone(), bundle.clone(), BRAKING_TIME_MAX).await,
                None => Compared::Skipped,
            };
            Ok::<_, Error>((bundle, invariants, comparison))
        })
        .await?;
        warrant.note("comparison", serde_json::to_value(&comparison).unwrap_or_default());
        warrant.note("undoes_last", stored.replaced_ago.is_some());
        let report = Report::of_sound(&bundle, invariants, comparison);
        warrant.note("widens", report.widens());
        let examined = Examined { bundle: Some(bundle.clone()), report };
        let returned = |it: &Stored, now| returned(it, &examined, &active, now);
        self.switch(&warrant, &stored, (bundle, returned), authz).await
    }

    /// `own` is what becomes of the bundle's own row at an instant.
    async fn switch(
        &self,
        warrant: &Warrant,
        stored: &Arc<Stored>,
        (bundle, own): (Arc<Bundle>, impl FnOnce(&Stored, i64) -> Result<Statement>),
        authz: &Authz,
    ) -> Result<Arc<Stored>> {
        let _turn = self.turn.lock().await;
        let head = head::read(&*self.db).await?;
        let replaced = head.as_ref().map(|it| it.digest.as_str());
        // What it was decided on stands no more.
        let is_checked = stored.state == State::Checked;
        if stored.beside.as_deref() != replaced
            || (is_checked && replaced != Some(stored.checked_against.as_str()))
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
        statements.push(own(stored, now)?);
        self.ledger.commit(warrant, statements).await?;
        let revision = switch.revision();
        self.decide_by(authz, Deciding { id: stored.id, revision, bundle });
        self.find(stored.id).await?.ok_or(Error::NotFound)
    }

    /// The bundle as it would decide, if no invariant is against it with the people of today, and how
    /// far that is known.
    async fn sound(&self, stored: &Stored) -> Result<(Arc<Bundle>, Invariants)> {
        let loaded = head::load(&*self.db, stored.id).await?;
        let bundle = loaded.map_err(|faults| {
            Error::Invalid(faults.iter().map(|it| fault(&it.to_string())).collect())
        })?;
        let invariants = self.invariants(&bundle, BRAKING_TIME_MAX).await?;
        if invariants.violations.is_empty() {
            return Ok((bundle, invariants));
        }
        let faults = gate::as_faults(&invariants.violations, &bundle);
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

fn fault(detail: &str) -> FieldFault {
    FieldFault { pointer: "/bundle".into(), detail: detail.to_owned() }
}

/// The bundle's own row, if nothing was said or found about it since it was decided on.
fn activated(stored: &Stored, now: i64) -> Result<Statement> {
    let update = Statement::new(
        "UPDATE bundles SET state = 'active', activated_at = $3, updated_at = $3,
                revision = revision + 1
         WHERE id = $1 AND revision = $2",
    );
    Ok(update.bind(stored.id).bind(stored.revision).bind(now).expect_rows(1))
}

/// The same for a bundle that comes back, with what was found about it as of now.
fn returned(stored: &Stored, examined: &Examined, against: &str, now: i64) -> Result<Statement> {
    let update = Statement::new(
        "UPDATE bundles SET state = 'active', activated_at = $3, updated_at = $3, report = $4,
                checked_against = $5, widens = $6, revision = revision + 1
         WHERE id = $1 AND revision = $2",
    );
    let update = update.bind(stored.id).bind(stored.revision).bind(now).bind(examined.json()?);
    let update = update.bind(against).bind(examined.report.widens());
    Ok(update.expect_rows(1))
}
