//! Rehearsal: what a bundle would have done and would be doing, before it decides anything.

mod actions;
mod follow;

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::sync::Semaphore;
use uuid::Uuid;

pub use self::actions::{CastShadow, LiftShadow, ReplayBundle, ShowShadow, SuggestFor};

use super::bundles::declared;
use super::bundles::{Bundles, State, sources};
use super::replay::{AtHand, Bounds, Replaying, Report, gather};
use super::shadow::{Seen, Shadow, Shadowed};
use super::suggest::{Subject, Suggestion, Window, suggest};
use super::{Bundle, Fault};
use crate::audit::Ledger;
use crate::audit::query::Audit;
use crate::authz::{Permit, Warrant};
use crate::clock::{Clock, instant};
use crate::directory::Directory;
use crate::error::FieldFault;
use crate::patience::outside;
use crate::store::{Database, Statement};
use crate::{Error, Result};

/// How long whoever finds another look into the past under way should wait, in seconds.
const TRY_AGAIN_SECONDS: u64 = 5;

/// Of shorter windows the store is told nothing: what a bundle turns in an hour is not its reach.
const NOTED_FROM: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Looks into the past one at a time, and keeps the shadow where the store says it is cast.
pub struct Rehearsal {
    db: Arc<dyn Database>,
    ledger: Ledger,
    directory: Arc<Directory>,
    bundles: Arc<Bundles>,
    shadow: Arc<Shadow>,
    clock: Clock,
    turn: Semaphore,
}

/// What a rehearsal works with.
pub struct Parts {
    pub db: Arc<dyn Database>,
    pub ledger: Ledger,
    pub directory: Arc<Directory>,
    pub bundles: Arc<Bundles>,
    /// Where the decisions of this process are handed over.
    pub shadow: Arc<Shadow>,
    pub clock: Clock,
}

impl Rehearsal {
    pub fn new(parts: Parts) -> Rehearsal {
        let Parts { db, ledger, directory, bundles, shadow, clock } = parts;
        Rehearsal { db, ledger, directory, bundles, shadow, clock, turn: Semaphore::new(1) }
    }

    /// Asks the bundle what was asked since. How much it turns is kept with it, where the window is
    /// long enough and it is not the active one.
    ///
    /// # Errors
    /// Another look into the past is under way; the bundle is not sound.
    pub async fn replay(&self, permit: Permit<ReplayBundle>, audit: &Audit) -> Result<Report> {
        let (_, action, stored, warrant) = permit.spend();
        let report = outside(async {
            let _turn = self.turn()?;
            let candidate = self.bundle(stored.id).await?;
            let at_hand = self.at_hand().await?.with(candidate.clone());
            let since = action.since.micros(self.clock.now());
            let past = audit.past(&warrant, since).as_of_now().await?;
            let replaying = Replaying::new(candidate.clone(), Arc::new(at_hand));
            let (done, left_out) = gather(replaying, past, Bounds::default(), &self.clock).await?;
            Ok::<_, Error>(Report::new(candidate.digest(), instant(since), done.so_far, left_out))
        })
        .await?;
        warrant.note("opened", report.replay.opened_count());
        warrant.note("closed", report.replay.closed_count());
        warrant.note("unreplayable", report.replay.unknown_count());
        let is_to_come = stored.state != State::Active;
        let window = self.clock.now().duration_since(report.since);
        // A glance must not make a bundle look harmless.
        if is_to_come && window >= NOTED_FROM {
            // What was left out may be what turns.
            let flips = match &report.left_out {
                Some(_) => u64::MAX,
                None => report.replay.blast_radius(),
            };
            self.bundles.note_flips(&warrant, stored.id, flips).await?;
        }
        Ok(report)
    }

    /// Proposes tighter rules for an agent by what it did since; none where there is no such agent.
    ///
    /// # Errors
    /// Another look into the past is under way.
    pub async fn suggest(
        &self,
        permit: &Permit<SuggestFor>,
        audit: &Audit,
    ) -> Result<Option<Suggestion>> {
        let SuggestFor { agent, since } = permit.action();
        let Some(agent) = self.agent(agent) else { return Ok(None) };
        let Some(active) = self.bundles.deciding().map(|it| it.bundle.clone()) else {
            return Ok(None);
        };
        let since = since.micros(self.clock.now());
        let past = audit.past(permit.warrant(), since);
        permit.warrant().note("agent", agent.id.to_string());
        outside(async {
            let _turn = self.turn()?;
            let (bounds, at_hand) = (Bounds::default(), self.at_hand().await?);
            let window = Window { past, since, bounds, at_hand };
            suggest(agent, active, window, &self.clock).await.map(Some)
        })
        .await
    }

    /// Has the bundle decide beside the active one, on every replica.
    ///
    /// # Errors
    /// The bundle is not sound.
    pub async fn cast(&self, permit: Permit<CastShadow>) -> Result<()> {
        let (_, action, stored, warrant) = permit.spend();
        let bundle = outside(self.bundle(stored.id)).await?;
        let since = self.clock.micros();
        let statement = Statement::new(
            "INSERT INTO policy_shadow (id, bundle_id, sample_percent, since)
             VALUES (1, $1, $2, $3)
             ON CONFLICT (id) DO UPDATE SET bundle_id = excluded.bundle_id,
                 sample_percent = excluded.sample_percent, since = excluded.since",
        );
        let percent = i64::from(action.sample.as_percent());
        warrant.note("sample_percent", percent);
        self.ledger
            .commit(&warrant, vec![statement.bind(stored.id).bind(percent).bind(since)])
            .await?;
        let shadowed =
            Shadowed { id: stored.id, bundle, sample: action.sample, since: instant(since) };
        Ok(self.shadow.cast(shadowed).map_err(anyhow::Error::from)?)
    }

    /// Has no bundle decide beside the active one any more.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn lift(&self, warrant: &Warrant) -> Result<()> {
        let statement = Statement::new("DELETE FROM policy_shadow WHERE id = 1");
        self.ledger.commit(warrant, vec![statement]).await?;
        self.shadow.lift();
        Ok(())
    }

    /// What this process has seen of the shadow, if there is one.
    pub fn seen(&self, _: &Permit<ShowShadow>) -> Option<(Shadowed, Seen)> {
        self.shadow.seen()
    }

    fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>> {
        let wait = Error::TooMany { retry_after_seconds: TRY_AGAIN_SECONDS };
        self.turn.try_acquire().map_err(|_| wait)
    }

    /// The stored bundle, ready to decide. Its tables are not run: that is what a check is for.
    async fn bundle(&self, id: Uuid) -> Result<Arc<Bundle>> {
        let files = self.bundles.files_of(id).await?;
        let build = move || sources(&files).and_then(Bundle::tested_before).map(Arc::new);
        let built = tokio::task::spawn_blocking(build).await.map_err(anyhow::Error::from)?;
        built.map_err(|faults| Error::Invalid(faults.iter().map(unsound).collect()))
    }

    /// Bundles that may have decided what is asked again.
    async fn at_hand(&self) -> Result<AtHand> {
        let known = AtHand::knowing(declared(&*self.db).await?);
        let deciding = self.bundles.deciding().map(|it| it.bundle.clone());
        Ok(deciding.into_iter().fold(known, AtHand::with))
    }

    fn agent(&self, wanted: &str) -> Option<Subject> {
        let known = self.directory.snapshot();
        let agent = match wanted.parse::<Uuid>() {
            Ok(id) => known.agent(id),
            Err(_) => known.agent_named(wanted),
        };
        agent.map(|it| Subject { id: it.id, name: it.name.clone() })
    }
}

fn unsound(fault: &Fault) -> FieldFault {
    FieldFault { pointer: "/bundle".into(), detail: fault.to_string() }
}
