//! Writing down when keys were used: seldom, together, and never while a request waits.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{ApiKey, ApiKeys};
use crate::Result;
use crate::authz::Warrant;
use crate::store::Statement;

/// No key's use is written down more often than this.
const EVERY: Duration = Duration::from_secs(60);
/// How many go into one commit.
const BATCH_MAX: usize = 256;

impl ApiKeys {
    /// Writes uses down from time to time, and once more when it is told to stop.
    pub async fn keep_uses(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => {}
            }
            if let Err(error) = self.write_uses().await {
                tracing::warn!(%error, "when API keys were used is not written down yet");
            }
        }
    }

    /// Writes down every use that the store does not know of.
    #[expect(clippy::disallowed_methods, reason = "when keys are used is noted on nobody's behalf")]
    pub async fn write_uses(&self) -> Result<()> {
        let keys = self.snapshot().keys();
        let used = keys.iter().filter_map(|it| Some((it, it.uses.unwritten()?)));
        let used: Vec<(&Arc<ApiKey>, i64)> = used.collect();
        for batch in used.chunks(BATCH_MAX) {
            let warrant = Warrant::system("note_api_key_uses", &self.clock);
            warrant.note("keys", batch.len());
            let statements = batch.iter().map(|(key, at)| note(key, *at)).collect();
            self.ledger.commit(&warrant, statements).await?;
            for (key, at) in batch {
                key.uses.note_written(*at);
            }
        }
        Ok(())
    }
}

/// Another process may know of a later use.
fn note(key: &ApiKey, at: i64) -> Statement {
    Statement::new(
        "UPDATE api_keys SET last_used_at = $2
         WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
    )
    .bind(key.id)
    .bind(at)
}
