//! What is read from the policy directory while the server runs.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::alarm::Place;
use super::draft::New;
use super::gate::{Examined, as_faults};
use super::head::{self, Head, Switch, Taken};
use super::report::{Compared, Found, Invariants, Report, Unproved};
use super::stored::{HOST, Origin, State, Stored};
use super::{Bundles, Deciding, files};
use crate::authz::{Authz, Warrant};
use crate::policy::{Bundle, Fault};
use crate::store::Statement;
use crate::{Error, Result, metrics};

/// A bundle, or why there is none.
pub type Reading = Result<Arc<Bundle>, Vec<Fault>>;

/// How many faults the audit names.
const FAULTS_KEPT: usize = 20;
/// How long the solver may take where the search was cut off: until then the last good ones decide.
const PROOF_TIME_MAX: Duration = Duration::from_secs(10);
/// How often to try against replicas that take up something themselves.
const TRIES: usize = 5;

impl Bundles {
    /// Takes up what was read from the directory after a change. What is broken, or violates an
    /// invariant, changes nothing but the alarm.
    ///
    /// # Errors
    /// The store does not answer: nothing has changed, and it is to be tried again.
    pub(super) async fn take_up(
        &self,
        authz: &Authz,
        reading: &Reading,
        stop: &CancellationToken,
    ) -> Result<()> {
        let bundle = match reading {
            Ok(it) => it,
            Err(faults) => {
                self.refuse(Place::Directory, faults).await;
                return Ok(());
            }
        };
        // What was mended to what it was before is no change.
        if self.was_read_last(bundle.digest()) {
            self.alarm.clear(Place::Directory);
            return Ok(());
        }
        // Nobody who stops waits for a solver; the next start takes it up.
        let Some(weighed) = stop.run_until_cancelled(self.weighed(bundle)).await else {
            return Ok(());
        };
        let invariants = match weighed? {
            Ok(it) => it,
            Err(faults) => {
                self.refuse(Place::Directory, &faults).await;
                return Ok(());
            }
        };
        self.make_active(authz, bundle, Origin::Directory, &invariants).await?;
        self.note_read(bundle.digest());
        self.alarm.clear(Place::Directory);
        Ok(())
    }

    /// How far it is known that a bundle of the host's keeps the invariants, or what is against it.
    pub(super) async fn weighed(
        &self,
        bundle: &Arc<Bundle>,
    ) -> Result<Result<Invariants, Vec<Fault>>> {
        let invariants = self.invariants(bundle, PROOF_TIME_MAX).await?;
        if !invariants.violations.is_empty() {
            return Ok(Err(as_faults(&invariants.violations, bundle)));
        }
        let unknown = invariants.searched.iter().flat_map(|it| &it.not_proved);
        for Unproved { invariant, why } in unknown {
            tracing::warn!(
                invariant,
                why,
                "nobody knows whether the policies on disk keep this: a search found nothing against \
                 it, and did not get to its end"
            );
        }
        Ok(Ok(invariants))
    }

    fn was_read_last(&self, digest: &str) -> bool {
        let last = self.read_last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_deref() == Some(digest)
    }

    pub(super) fn note_read(&self, digest: &str) {
        let mut last = self.read_last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(digest.to_owned());
    }

    /// Makes a bundle of the host's the active one, whatever became active meanwhile.
    #[expect(clippy::disallowed_methods, reason = "who can change the host's files decides")]
    pub(super) async fn make_active(
        &self,
        authz: &Authz,
        bundle: &Arc<Bundle>,
        origin: Origin,
        invariants: &Invariants,
    ) -> Result<()> {
        let _turn = self.turn.lock().await;
        for _ in 0..TRIES {
            let before = head::read(&*self.db).await?;
            let stored = self.with_digest(bundle.digest()).await?;
            let next = match (&stored, &before) {
                (Some(it), Some(head)) if it.id == head.bundle => {
                    self.note_taken(it).await?;
                    let revision = head.revision;
                    Deciding { id: it.id, revision, bundle: bundle.clone() }
                }
                _ => {
                    let warrant = Warrant::system("take_up_policies", &self.clock);
                    let warrant = warrant.called("policy.activate");
                    match self
                        .switch_to(&warrant, bundle, (origin, invariants), before, stored)
                        .await
                    {
                        Err(Error::Conflict(_)) => continue,
                        other => other?,
                    }
                }
            };
            self.decide_by(authz, next);
            return Ok(());
        }
        Err(Error::Unavailable { what: "the store" })
    }

    /// Remembers that the active bundle lies in a directory, too: once it is active no more, a
    /// restart with it must not turn back the others.
    #[expect(clippy::disallowed_methods, reason = "what lies on disk is nobody's request")]
    pub(super) async fn note_taken(&self, stored: &Stored) -> Result<()> {
        if stored.taken_at.is_some() {
            return Ok(());
        }
        let warrant = Warrant::system("take_up_policies", &self.clock).called("policy.taken");
        warrant.note("digest", stored.digest.as_str());
        let sql = "UPDATE bundles SET taken_at = $2 WHERE id = $1";
        let taken = Statement::new(sql).bind(stored.id).bind(self.clock.micros());
        self.ledger.commit(&warrant, vec![taken.expect_rows(1)]).await
    }

    async fn switch_to(
        &self,
        warrant: &Warrant,
        bundle: &Arc<Bundle>,
        (origin, invariants): (Origin, &Invariants),
        before: Option<Head>,
        stored: Option<Arc<Stored>>,
    ) -> Result<Deciding> {
        let now = self.clock.micros();
        let id = stored.as_ref().map_or_else(|| self.clock.new_id(), |it| it.id);
        let base = before.as_ref().map(|it| it.digest.clone()).unwrap_or_default();
        let report = Report::of_sound(bundle, invariants.clone(), Compared::Skipped);
        let examined = Examined { bundle: Some(bundle.clone()), report };
        let own = match &stored {
            Some(it) => again(it, &examined, now)?,
            None => New {
                id,
                digest: bundle.digest(),
                files: &files(bundle.sources()),
                state: State::Active,
                origin,
                author: (HOST, origin.as_str()),
                base: &base,
                note: None,
                examined: &examined,
                now,
            }
            .insert()?,
        };
        let (digest, before) = (bundle.digest(), before.as_ref());
        let switch = Switch { before, next: id, digest, taken: Taken::FromDirectory, now };
        warrant.note("bundle", id.to_string());
        warrant.note("digest", digest);
        warrant.note("origin", origin.as_str());
        warrant.note("before", base);
        // The head's row refers to the bundle's.
        let statements = std::iter::once(own).chain(switch.statements()).collect();
        self.ledger.commit(warrant, statements).await?;
        Ok(Deciding { id, revision: switch.revision(), bundle: bundle.clone() })
    }

    /// Rings: in the log, in the audit, in the figures, and in whether this process is ready.
    #[expect(clippy::disallowed_methods, reason = "broken files are nobody's request")]
    pub(super) async fn refuse(&self, place: Place, faults: &[Fault]) {
        for fault in faults {
            tracing::error!(%fault, "the changed policies are refused; the old ones go on deciding");
        }
        let (from, count) = (place.as_str(), faults.len());
        self.alarm.raise(
            place,
            format!(
                "degraded: the policies of the {from} are refused for {count} fault(s), which the \
                 log names; the last good ones decide"
            ),
        );
        metrics::policy_refused();
        let warrant = Warrant::system("take_up_policies", &self.clock).called("policy.refused");
        let kept: Vec<Found> = faults.iter().take(FAULTS_KEPT).map(Found::from).collect();
        warrant.note("from", from);
        warrant.note("count", count);
        warrant.note("faults", serde_json::to_value(kept).unwrap_or_default());
        if let Some(it) = self.deciding() {
            warrant.note("deciding", it.bundle.digest());
        }
        if let Err(error) = self.ledger.commit(&warrant, Vec::new()).await {
            tracing::error!(%error, "that the policies were refused is not in the audit");
        }
    }
}

/// A bundle that the store has already becomes active.
fn again(stored: &Stored, examined: &Examined, now: i64) -> Result<Statement> {
    let update = Statement::new(
        "UPDATE bundles
         SET state = 'active', report = $3, tests_green = $5, invariants_hold = TRUE,
             activated_at = $4, updated_at = $4, taken_at = $4, revision = revision + 1
         WHERE id = $1 AND revision = $2",
    );
    let update = update.bind(stored.id).bind(stored.revision).bind(examined.json()?).bind(now);
    Ok(update.bind(examined.tests_green()).expect_rows(1))
}
