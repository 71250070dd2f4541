//! Every replica decides by what the store's row names, within a moment of its change.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::alarm::Place;
use super::{Bundles, Deciding, Reading, head};
use crate::authz::Authz;
use crate::policy::Bundle;
use crate::{App, Result};

/// How often to look whether another replica activated a bundle: one row is read.
const EVERY: Duration = Duration::from_millis(300);
/// How many turns there are between two tries at what could not be taken up.
const AGAIN_EVERY: u32 = 10;
/// The same for what the people and grants of the time were against: to look is costly.
const REFUSED_AGAIN_EVERY: u32 = 15;

/// What is still to be done, and could not be.
#[derive(Default)]
struct Left {
    reading: Option<Reading>,
    /// The revision of the row whose bundle cannot be used here.
    unusable: Option<i64>,
    turns: u32,
}

impl Bundles {
    /// Follows the row of the store, and takes up what is read from the directory, until it is told
    /// to stop.
    pub async fn follow(
        self: Arc<Self>,
        app: Arc<App>,
        mut readings: mpsc::Receiver<Reading>,
        stop: CancellationToken,
    ) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut left, mut watched) = (Left::default(), true);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                reading = readings.recv(), if watched => match reading {
                    Some(it) => left.reading = Some(it),
                    None => watched = false,
                },
                _ = ticks.tick() => left.turns = left.turns.wrapping_add(1),
            }
            self.do_what_is_left(&app.authz, &mut left).await;
        }
    }

    /// Where the store does not answer, the next turn tries again.
    async fn do_what_is_left(&self, authz: &Authz, left: &mut Left) {
        if let Some(reading) = &left.reading {
            match self.take_up(authz, reading).await {
                Ok(()) => left.reading = None,
                Err(error) => tracing::warn!(%error, "the changed policies are not taken up yet"),
            }
        }
        if left.turns.is_multiple_of(AGAIN_EVERY) {
            left.unusable = None;
        }
        if left.reading.is_none()
            && left.turns.is_multiple_of(REFUSED_AGAIN_EVERY)
            && let Err(error) = self.take_again(authz).await
        {
            tracing::warn!(%error, "the changed policies are not taken up yet");
        }
        if let Err(error) = self.look(authz, left).await {
            tracing::debug!(%error, "the store does not say which policies are active");
        }
    }

    async fn look(&self, authz: &Authz, left: &mut Left) -> Result<()> {
        if !self.is_behind(&head::read(&*self.db).await?) {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        let Some(head) = head::read(&*self.db).await?.filter(|it| self.is_behind_of(it)) else {
            return Ok(());
        };
        if left.unusable == Some(head.revision) {
            return Ok(());
        }
        match head::load(&*self.db, head.bundle).await? {
            Ok(bundle) => {
                self.alarm.clear(Place::Store);
                self.decide_by(
                    authz,
                    Deciding { id: head.bundle, revision: head.revision, bundle },
                );
            }
            Err(faults) => {
                left.unusable = Some(head.revision);
                self.refuse(Place::Store, &faults).await;
            }
        }
        Ok(())
    }

    fn is_behind(&self, head: &Option<head::Head>) -> bool {
        head.as_ref().is_some_and(|it| self.is_behind_of(it))
    }

    fn is_behind_of(&self, head: &head::Head) -> bool {
        self.deciding().is_none_or(|it| it.revision != head.revision || it.id != head.bundle)
    }
}

/// The bundle that the store's row names, for a process whose own policies are broken.
///
/// # Errors
/// The store does not answer, or what it holds cannot be used.
pub async fn named_in(db: &dyn crate::store::Database) -> anyhow::Result<Option<Arc<Bundle>>> {
    let Some(head) = head::read(db).await? else { return Ok(None) };
    Ok(Some(head::load(db, head.bundle).await?.map_err(super::Broken)?))
}
