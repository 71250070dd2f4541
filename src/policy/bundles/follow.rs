//! Every replica decides by what the store's row names, within a moment of its change.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};
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
/// How often to try again what the people and grants of the time were against: to look is costly.
const REFUSED_AGAIN_EVERY: Duration = Duration::from_secs(5);

/// What could not be done, of following the store.
#[derive(Default)]
struct Left {
    /// The revision of the row whose bundle cannot be used here.
    unusable: Option<i64>,
    turns: u32,
}

impl Bundles {
    /// Follows the row of the store, and takes up what is read from the directory, until it is told
    /// to stop. Neither waits for the other: a solver may have to be asked about the directory's.
    pub async fn follow(
        self: Arc<Self>,
        app: Arc<App>,
        readings: mpsc::Receiver<Reading>,
        stop: CancellationToken,
    ) {
        tokio::join!(
            self.follow_store(&app.authz, &stop),
            self.follow_directory(&app.authz, readings, &stop)
        );
    }

    async fn follow_store(&self, authz: &Authz, stop: &CancellationToken) {
        let (mut ticks, mut left) = (ticks(EVERY), Left::default());
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            left.turns = left.turns.wrapping_add(1);
            if left.turns.is_multiple_of(AGAIN_EVERY) {
                left.unusable = None;
            }
            if let Err(error) = self.look(authz, &mut left).await {
                tracing::debug!(%error, "the store does not say which policies are active");
            }
        }
    }

    /// Where the store does not answer, the next turn tries again.
    async fn follow_directory(
        &self,
        authz: &Authz,
        mut readings: mpsc::Receiver<Reading>,
        stop: &CancellationToken,
    ) {
        let (mut turns, mut again) = (ticks(EVERY), ticks(REFUSED_AGAIN_EVERY));
        let (mut left, mut watched) = (None, true);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                reading = readings.recv(), if watched => match reading {
                    Some(it) => left = Some(it),
                    None => watched = false,
                },
                _ = turns.tick(), if left.is_some() => {}
                _ = again.tick(), if left.is_none() => {}
            }
            let done = match &left {
                Some(reading) => self.take_up(authz, reading, stop).await,
                None => self.take_again(authz, stop).await,
            };
            match done {
                Ok(()) => left = None,
                Err(error) => tracing::warn!(%error, "the changed policies are not taken up yet"),
            }
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

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The bundle that the store's row names, for a process whose own policies are broken.
///
/// # Errors
/// The store does not answer, or what it holds cannot be used.
pub async fn named_in(db: &dyn crate::store::Database) -> anyhow::Result<Option<Arc<Bundle>>> {
    let Some(head) = head::read(db).await? else { return Ok(None) };
    Ok(Some(head::load(db, head.bundle).await?.map_err(super::Broken)?))
}
