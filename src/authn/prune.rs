//! Forgetting what has expired: sessions, their tokens, and what works once.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Authn;
use crate::authz::Warrant;
use crate::store::Statement;
use crate::{Result, tidy};

const EVERY: Duration = Duration::from_secs(600);
/// What was used is known for as long again as it could have been: a second use is told from nonsense.
const KEPT: i64 = 86_400_000_000;

/// Each of them takes at most this many rows, so that no commit takes long.
const STATEMENTS: [&str; 4] = [
    "DELETE FROM single_use WHERE hash IN
       (SELECT hash FROM single_use WHERE expires_at < $1 ORDER BY expires_at LIMIT 1000)",
    "DELETE FROM browsers WHERE hash IN
       (SELECT hash FROM browsers WHERE expires_at < $1 ORDER BY expires_at LIMIT 1000)",
    "DELETE FROM refresh_tokens WHERE hash IN
       (SELECT hash FROM refresh_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT 1000)",
    "DELETE FROM sessions WHERE id IN
       (SELECT s.id FROM sessions s WHERE s.expires_at < $1
          AND NOT EXISTS (SELECT 1 FROM refresh_tokens t WHERE t.session_id = s.id)
          AND NOT EXISTS (SELECT 1 FROM browsers b WHERE b.session_id = s.id)
        ORDER BY s.expires_at LIMIT 1000)",
];

impl Authn {
    /// Forgets, now and then, until told to stop.
    pub async fn keep_pruned(self: Arc<Self>, stop: CancellationToken) {
        let work = || {
            let it = self.clone();
            async move { it.prune().await }
        };
        tidy::now_and_then(EVERY, stop, "what has expired is still kept", work).await;
    }

    /// Forgets what expired a day ago or earlier, where there is any.
    #[expect(clippy::disallowed_methods, reason = "nobody asks for it: the service tidies up")]
    pub async fn prune(&self) -> Result<()> {
        let before = self.clock.micros() - KEPT;
        let found = self
            .db
            .query(
                "SELECT 1 WHERE EXISTS (SELECT 1 FROM single_use WHERE expires_at < $1)
                    OR EXISTS (SELECT 1 FROM browsers WHERE expires_at < $1)
                    OR EXISTS (SELECT 1 FROM refresh_tokens WHERE expires_at < $1)
                    OR EXISTS (SELECT 1 FROM sessions WHERE expires_at < $1)",
                vec![before.into()],
            )
            .await?;
        if found.is_empty() {
            return Ok(());
        }
        let warrant = Warrant::system("prune_sessions", &self.clock);
        let statements = STATEMENTS.map(|sql| Statement::new(sql).bind(before)).into();
        self.ledger.commit(&warrant, statements).await
    }
}
