//! What is done about approvals on nobody's behalf.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Approvals;
use super::follow::Told;
use crate::Result;
use crate::authz::Warrant;
use crate::store::Statement;

/// How often other processes' changes are looked for, and what is due.
const EVERY: Duration = Duration::from_secs(1);
/// How many turns there are between two times of tidying up.
const TIDY_EVERY: u32 = 5;
/// How long an approval is kept once it has ended; the audit keeps what was decided for ever.
const KEPT: i64 = 30 * 24 * 3_600 * 1_000_000;

impl Approvals {
    /// Tells who listens, notifies the webhook, and ends what time has ended, until it is told to
    /// stop.
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        tokio::join!(self.keep_told(&stop), self.keep_notified(&stop));
    }

    /// A webhook that takes its time holds up nothing but itself.
    async fn keep_notified(&self, stop: &CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Some(Err(error)) = stop.run_until_cancelled(self.notify_due()).await {
                tracing::warn!(%error, "the webhook is not told of approvals yet");
            }
        }
    }

    async fn keep_told(&self, stop: &CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut told, mut turn) = (Told::default(), 0_u32);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.news.stirred() => {}
                _ = ticks.tick() => turn = turn.wrapping_add(1),
            }
            let done = self.turn(&mut told, turn.is_multiple_of(TIDY_EVERY)).await;
            if let Err(error) = done {
                tracing::warn!(%error, "approvals are not looked after yet");
            }
        }
        self.news.closing.cancel();
    }

    async fn turn(&self, told: &mut Told, tidy: bool) -> Result<()> {
        if tidy {
            self.end_the_expired().await?;
        }
        self.tell(told).await
    }

    #[expect(clippy::disallowed_methods, reason = "time ends them on nobody's behalf")]
    async fn end_the_expired(&self) -> Result<()> {
        let now = self.clock.micros();
        let due = self
            .db
            .query(
                "SELECT 1 FROM approvals
                 WHERE (state IN ('pending', 'approved') AND expires_at <= $1) OR updated_at < $2
                 LIMIT 1",
                vec![now.into(), (now - KEPT).into()],
            )
            .await?;
        if due.is_empty() {
            return Ok(());
        }
        let warrant = Warrant::system("expire_approvals", &self.clock);
        let expired = Statement::new(
            "UPDATE approvals SET state = 'expired', updated_at = $1, revision = revision + 1
             WHERE state IN ('pending', 'approved') AND expires_at <= $1",
        );
        let silenced = Statement::new(
            "DELETE FROM approval_notices
             WHERE approval_id NOT IN (SELECT id FROM approvals WHERE state = 'pending')",
        );
        let forgotten = Statement::new(
            "DELETE FROM approvals WHERE id IN
               (SELECT id FROM approvals
                WHERE updated_at < $1 AND state NOT IN ('pending', 'approved')
                ORDER BY updated_at LIMIT 1000)",
        );
        let keys = Statement::new("DELETE FROM access_requests WHERE expires_at < $1");
        let statements =
            vec![expired.bind(now), silenced, forgotten.bind(now - KEPT), keys.bind(now)];
        self.ledger.commit(&warrant, statements).await
    }
}
