//! Forgetting what no window can reach any more.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Past;
use crate::authz::Warrant;
use crate::store::Statement;
use crate::{Result, tidy};

const EVERY: Duration = Duration::from_secs(600);
/// What counts for as long as a session lasts is kept this long for those that never seem to end,
/// unless they are API keys: these are known while they exist. Microseconds.
const SESSION_MAX: i64 = 90 * 86_400 * 1_000_000;

/// Each of them takes at most this many rows, so that no commit takes long.
const OVER: &str = "DELETE FROM history WHERE keep_until IN
       (SELECT keep_until FROM history WHERE keep_until < $1 ORDER BY keep_until LIMIT 1000)";
const ENDED: &str = "DELETE FROM history WHERE keep_until IS NULL AND at < $1 AND subject IN
       (SELECT subject FROM history WHERE keep_until IS NULL AND lease_until IS NULL AND at < $1
          AND NOT EXISTS (SELECT 1 FROM sessions s WHERE 'session:' || s.id = history.subject)
          AND NOT EXISTS (SELECT 1 FROM api_keys k WHERE 'key:' || k.id = history.subject)
        ORDER BY at LIMIT 1000)";

impl Past {
    /// Forgets, now and then, until told to stop.
    pub async fn keep_pruned(self: Arc<Self>, stop: CancellationToken) {
        let work = || {
            let it = self.clone();
            async move { it.prune().await }
        };
        tidy::now_and_then(EVERY, stop, "what policies cannot reach any more is still kept", work)
            .await;
    }

    /// Forgets, where there is anything to forget.
    #[expect(clippy::disallowed_methods, reason = "nobody asks for it: the service tidies up")]
    pub(super) async fn prune(&self) -> Result<()> {
        let now = self.clock.micros();
        let long_ago = now.saturating_sub(SESSION_MAX);
        let found = self
            .db
            .query(
                "SELECT 1 WHERE EXISTS (SELECT 1 FROM history WHERE keep_until < $1)
                    OR EXISTS (SELECT 1 FROM history WHERE keep_until IS NULL AND at < $2
                      AND NOT EXISTS (SELECT 1 FROM sessions s
                                      WHERE 'session:' || s.id = history.subject)
                      AND NOT EXISTS (SELECT 1 FROM api_keys k
                                      WHERE 'key:' || k.id = history.subject))",
                vec![now.into(), long_ago.into()],
            )
            .await?;
        if found.is_empty() {
            return Ok(());
        }
        let warrant = Warrant::system("prune_past", &self.clock);
        let statements = vec![Statement::new(OVER).bind(now), Statement::new(ENDED).bind(long_ago)];
        self.ledger.commit(&warrant, statements).await
    }
}
