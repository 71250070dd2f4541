//! What is read from the policy directory while the server runs.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::alarm::Place;
use super::draft::New;
use super::gate::{Examined, as_faults};
use super::head::{self, Head, Switch, Taken};
use super::report::{Compared, Found, Invariants, Report, Unproved};
use super::start::HOW_TO_MEND;
use super::stored::{HOST, Origin, State, Stored};
use super::taken::written;
use super::{Bundles, Deciding, files};
use crate::authz::{Authz, Warrant};
use crate::policy::fault::stand_alike;
use crate::policy::{Bundle, Fault};
use crate::store::Statement;
use crate::{Error, Result, metrics};

/// A bundle, or why there is none.
pub type Reading = Result<Arc<Bundle>, Vec<Fault>>;

/// How many faults the audit names.
const FAULTS_KEPT: usize = 20;
/// How long the solver may take where the search was cut off: until then the last good ones decide.
const PROOF_TIME_MAX: Duration = Duration::from_secs(30);
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
        self.waiting.forget();
        let bundle = match reading {
            Ok(it) => it,
            Err(faults) => {
                self.refuse(Place::Directory, faults).await;
                return Ok(());
            }
        };
        if let Some(faults) = self.try_taking(authz, bundle, stop).await? {
            self.refuse(Place::Directory, &faults).await;
            self.waiting.keep(bundle.clone(), faults);
        }
        Ok(())
    }

    /// Tries again what was refused for the people and grants there were: others may be there now.
    ///
    /// # Errors
    /// As [`Bundles::take_up`].
    pub(super) async fn take_again(&self, authz: &Authz, stop: &CancellationToken) -> Result<()> {
        let Some((bundle, before)) = self.waiting.last() else { return Ok(()) };
        let faults = match self.as_of_now(&bundle).await? {
            Ok(it) => self.try_taking(authz, &it, stop).await?,
            Err(faults) => Some(faults),
        };
        let Some(faults) = faults else {
            self.waiting.forget();
            return Ok(());
        };
        if !stand_alike(&before, &faults) {
            self.refuse(Place::Directory, &faults).await;
        }
        self.waiting.keep(bundle, faults);
        Ok(())
    }

    /// The bundle of the same files, with what the registered tools take now.
    async fn as_of_now(&self, bundle: &Bundle) -> Result<Reading> {
        let (sources, landscape) = (bundle.sources().clone(), self.landscape());
        let build = move || Bundle::surveyed(sources, &*landscape).map(Arc::new);
        let built = tokio::task::spawn_blocking(build).await;
        Ok(built.map_err(anyhow::Error::from)?)
    }

    /// Makes what lies in the directory the active bundle, if that is any news; what is against it,
    /// if anything is.
    async fn try_taking(
        &self,
        authz: &Authz,
        bundle: &Arc<Bundle>,
        stop: &CancellationToken,
    ) -> Result<Option<Vec<Fault>>> {
        let written = written(bundle);
        // What was mended to what it was before is no change.
        if !self.was_read_last(&written) && !self.has_settled(&written).await? {
            // Nobody who stops waits for a solver; the next start takes it up.
            let Some(weighed) = stop.run_until_cancelled(self.weighed(bundle)).await else {
                return Ok(None);
            };
            let invariants = match weighed? {
                Ok(it) => it,
                Err(faults) => return Ok(Some(faults)),
            };
            self.make_active(authz, bundle, Origin::Directory, &invariants).await?;
        }
        self.note_read(&written);
        self.alarm.clear(Place::Directory);
        Ok(None)
    }

    /// Whether nothing is to be done about this content: it decides already, or another replica
    /// has taken this very change up, and somebody has turned away from it since.
    async fn has_settled(&self, written: &str) -> Result<bool> {
        let Some(head) = head::read(&*self.db).await? else { return Ok(false) };
        if head.is_written(written) {
            if let Some(stored) = self.find(head.bundle).await? {
                self.note_taken(&head, &stored).await?;
            }
            return Ok(true);
        }
        if head.has_left(written) {
            tracing::warn!(
                of_store = head.digest,
                "the changed policies on disk were taken up before and left again, and are \
                 ignored; {HOW_TO_MEND}"
            );
            return Ok(true);
        }
        Ok(false)
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
        let written = written(bundle);
        for _ in 0..TRIES {
            let before = head::read(&*self.db).await?;
            let stored = self.with_digest(bundle.digest()).await?;
            let next = match (&stored, &before) {
                // Another replica was quicker, and somebody turned away from it at once: whoever
                // follows the row decides by what it names.
                (_, Some(head)) if head.has_left(&written) => return Ok(()),
                (Some(it), Some(head)) if it.id == head.bundle => {
                    self.note_taken(head, it).await?;
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
