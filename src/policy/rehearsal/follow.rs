//! Following the store: whatever bundle it says is shadowed is shadowed here, too.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Rehearsal;
use crate::Result;
use crate::clock::instant;
use crate::policy::shadow::{Sample, Shadowed};

const EVERY: Duration = Duration::from_secs(1);

impl Rehearsal {
    /// Follows until it is told to stop.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            if let Err(error) = self.look().await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "it is not known whether a bundle is shadowed");
            }
        }
    }

    async fn look(&self) -> Result<()> {
        let sql = "SELECT bundle_id, sample_percent, since FROM policy_shadow WHERE id = 1";
        let rows = self.db.query(sql, vec![]).await?;
        let Some(row) = rows.first() else {
            self.shadow.lift();
            return Ok(());
        };
        let (id, since) = (row.uuid(0)?, instant(row.int(2)?));
        let percent = u8::try_from(row.int(1)?).unwrap_or_default();
        let sample = Sample::percent(percent).unwrap_or(Sample::ALL);
        let here = self.shadow.shadowed();
        if here.is_some_and(|it| (it.id, it.sample, it.since) == (id, sample, since)) {
            return Ok(());
        }
        let bundle = self.bundle(id).await?;
        tracing::info!(digest = bundle.digest(), "these policies decide beside the active ones");
        let shadowed = Shadowed { id, bundle, sample, since };
        Ok(self.shadow.cast(shadowed).map_err(anyhow::Error::from)?)
    }
}
