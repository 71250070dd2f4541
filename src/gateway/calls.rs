//! Calls as the store knows them: begun, ended, or lost in between.
//!
//! A call is written down before it leaves and again when it ends. One that was begun and never
//! ended, because the process died, has an unknown outcome: it is never sent again by itself.

use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Gateway;
use super::action::InvokeTool;
use super::earlier::kept_key;
use crate::authn::Caller;
use crate::authz::Warrant;
use crate::registry::Tool;
use crate::store::Statement;
use crate::{Result, tidy};

/// How long an answer is kept for whoever sends the same request again.
const KEPT: i64 = 24 * 3_600 * 1_000_000;
/// Beyond its time limit a call may still be writing down how it ended.
const GRACE: i64 = 30 * 1_000_000;
const EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// A call that is about to be sent.
pub(super) struct Sent<'a> {
    pub id: Uuid,
    pub tool: &'a Tool,
    pub caller: &'a Caller,
    pub action: &'a InvokeTool,
    pub time_max: std::time::Duration,
}

impl Sent<'_> {
    pub fn statement(&self, now: i64) -> Statement {
        let principal = self.caller.principal();
        let time_max = i64::try_from(self.time_max.as_micros()).unwrap_or(i64::MAX / 4);
        Statement::new(
            "INSERT INTO calls (id, tool_id, principal_kind, principal_id, digest, idempotency_key,
                                state, started_at, give_up_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'sent', $7, $8, $9)",
        )
        .bind(self.id)
        .bind(self.tool.id)
        .bind(principal.kind().as_str())
        .bind(principal.id())
        .bind(self.action.digest(self.tool))
        .bind(self.action.idempotency_key.as_deref().map(|it| kept_key(principal.id(), it)))
        .bind(now)
        .bind(now.saturating_add(time_max).saturating_add(GRACE))
        .bind(now.saturating_add(KEPT))
        .expect_rows(1)
    }
}

/// Ends a call; with what it was answered, where it may be asked for again.
pub(super) fn ended(id: Uuid, answer: Option<&Value>, now: i64) -> Statement {
    Statement::new(
        "UPDATE calls SET state = 'ended', answer = $2, finished_at = $3
         WHERE id = $1 AND state = 'sent'",
    )
    .bind(id)
    .bind(answer.map(Value::to_string))
    .bind(now)
    .expect_rows(1)
}

/// Ends a call that never left: its key is free again.
pub(super) fn taken_back(id: Uuid, now: i64) -> Statement {
    Statement::new(
        "UPDATE calls SET state = 'ended', idempotency_key = NULL, finished_at = $2
         WHERE id = $1 AND state = 'sent'",
    )
    .bind(id)
    .bind(now)
    .expect_rows(1)
}

impl Gateway {
    /// Looks, now and then, for calls that nobody will end any more.
    pub async fn keep_settled(self: Arc<Self>, stop: CancellationToken) {
        let work = || {
            let it = self.clone();
            async move { it.settle_lost().await }
        };
        tidy::now_and_then(EVERY, stop, "lost calls are not settled yet", work).await;
    }

    /// Says of calls that were begun and cannot be under way any more that their outcome is
    /// unknown, and forgets what is kept no longer.
    #[expect(clippy::disallowed_methods, reason = "nobody asks for it: the service tidies up")]
    async fn settle_lost(&self) -> Result<()> {
        let now = self.clock.micros();
        let lost = self
            .db
            .query(
                "SELECT id FROM calls WHERE state = 'sent' AND give_up_at < $1 ORDER BY id LIMIT 500",
                vec![now.into()],
            )
            .await?;
        let stale = self
            .db
            .query("SELECT 1 FROM calls WHERE expires_at < $1 LIMIT 1", vec![now.into()])
            .await?;
        if lost.is_empty() && stale.is_empty() {
            return Ok(());
        }
        let warrant = Warrant::system("settle_calls", &self.clock);
        let mut statements = Vec::new();
        let mut ids = Vec::new();
        for row in &lost {
            let id = row.uuid(0)?;
            ids.push(id.to_string());
            statements.push(
                Statement::new(
                    "UPDATE calls SET state = 'unknown', finished_at = $2
                     WHERE id = $1 AND state = 'sent'",
                )
                .bind(id)
                .bind(now),
            );
        }
        warrant.note("unknown", ids);
        statements.push(
            Statement::new(
                "DELETE FROM calls WHERE id IN
                   (SELECT id FROM calls WHERE expires_at < $1 AND state <> 'sent'
                    ORDER BY expires_at LIMIT 1000)",
            )
            .bind(now),
        );
        self.ledger.commit(&warrant, statements).await
    }
}
