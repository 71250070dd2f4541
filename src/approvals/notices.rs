//! Telling the operator's webhook of new approvals: at least once, and not for ever.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::json;
use uuid::Uuid;

use super::approval::columns;
use super::signature::sign;
use super::{Approval, Approvals, Webhook};
use crate::audit::Outcome;
use crate::authz::Warrant;
use crate::clock::instant;
use crate::net::outbound::{Ask, Reach};
use crate::store::Statement;
use crate::{Error, Result};

const ATTEMPTS_MAX: i64 = 8;
const TIME_MAX: Duration = Duration::from_secs(10);
const AT_ONCE_MAX: i64 = 8;
/// It doubles with every try: the last comes some four minutes after the first.
const FIRST_WAIT: i64 = 2 * 1_000_000;
/// How long a process may be at it.
const LEASE: i64 = 60 * 1_000_000;

/// A message that is due.
struct Notice {
    /// How often it was tried before.
    attempts: i64,
    approval: Arc<Approval>,
}

impl Approvals {
    /// Sends what is due, some at once. A message is marked before it is sent, so that of several
    /// processes one sends it.
    pub(super) async fn notify_due(&self) -> Result<()> {
        let Some(webhook) = &self.terms.webhook else { return Ok(()) };
        let due = self.due().await?;
        let sent = due.iter().map(|it| self.notify(webhook, it));
        join_all(sent).await.into_iter().collect()
    }

    async fn due(&self) -> Result<Vec<Notice>> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            ", attempts FROM approvals JOIN approval_notices ON approval_id = id
               WHERE state = 'pending' AND expires_at > $1 AND next_at <= $1
               ORDER BY next_at LIMIT $2"
        );
        let now = self.clock.micros();
        let rows = self.db.query(SQL, vec![now.into(), AT_ONCE_MAX.into()]).await?;
        let notice = |row| -> Result<Notice> {
            Ok(Notice { approval: Approval::from_row(row, now)?, attempts: attempts(row)? })
        };
        rows.iter().map(notice).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "the operator is told on nobody's behalf")]
    async fn notify(&self, webhook: &Webhook, notice: &Notice) -> Result<()> {
        let id = notice.approval.id;
        let warrant = Warrant::system("notify_approval", &self.clock);
        warrant.note("approval", id.to_string());
        let result = warrant.then("system.approval_notified", &self.clock)?;
        match self.ledger.commit(&warrant, vec![self.claimed(notice)]).await {
            Ok(()) => {}
            // Another process has it.
            Err(Error::Conflict(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
        let heard = self.send(webhook, &notice.approval, &result).await;
        if let Err(problem) = &heard {
            tracing::warn!(approval = %id, problem, "the webhook was not told of an approval");
        }
        result.note("told", heard.is_ok());
        let outcome = if heard.is_ok() { Outcome::Success } else { Outcome::Failed };
        result.ended(outcome, &self.clock);
        let settled = match heard {
            Err(_) if notice.attempts + 1 < ATTEMPTS_MAX => self.put_off(notice),
            _ => Statement::new("DELETE FROM approval_notices WHERE approval_id = $1").bind(id),
        };
        self.ledger.commit(&result, vec![settled]).await
    }

    /// Leaves the message for a later try.
    fn put_off(&self, notice: &Notice) -> Statement {
        let wait = FIRST_WAIT << notice.attempts.clamp(0, ATTEMPTS_MAX);
        Statement::new(
            "UPDATE approval_notices SET next_at = $3 WHERE approval_id = $1 AND attempts = $2",
        )
        .bind(notice.approval.id)
        .bind(notice.attempts + 1)
        .bind(self.clock.micros().saturating_add(wait))
    }

    /// Takes the message for this process; should it die, another takes it after a while.
    fn claimed(&self, notice: &Notice) -> Statement {
        Statement::new(
            "UPDATE approval_notices SET attempts = attempts + 1, next_at = $3
             WHERE approval_id = $1 AND attempts = $2",
        )
        .bind(notice.approval.id)
        .bind(notice.attempts)
        .bind(self.clock.micros().saturating_add(LEASE))
        .expect_rows(1)
    }

    /// Sends one message; anything but a success is a failure.
    async fn send(
        &self,
        webhook: &Webhook,
        approval: &Approval,
        warrant: &Warrant,
    ) -> Result<(), String> {
        let body = self.message(approval).to_string();
        let headers = self.signed(webhook, approval.id, body.as_bytes());
        let ask = Ask {
            method: Method::POST,
            headers: headers.ok_or("`approvals.webhook_secret` is no key")?,
            body: Bytes::from(body),
            time_max: TIME_MAX,
            ..Ask::get(webhook.url.clone(), Reach::Configured)
        };
        let answer = self.outbound.call(warrant, ask).await.map_err(|it| it.to_string())?;
        match answer.status.is_success() {
            true => Ok(()),
            false => Err(format!("it answered {}", answer.status)),
        }
    }

    /// What is told: that there is something to decide, and where. Arguments may hold secrets, and
    /// are shown to those alone whom policy lets see them.
    fn message(&self, it: &Approval) -> serde_json::Value {
        json!({
            "type": "approval.requested",
            "timestamp": instant(it.created_at),
            "data": {
                "id": it.id,
                "url": format!("{}/api/v1/approvals/{}", self.terms.public_url, it.id),
                "tool": { "id": it.tool_id, "name": it.tool_name },
                "risk_level": it.risk,
                "requested_by": {
                    "kind": it.principal_kind, "id": it.principal_id, "name": it.principal_name,
                },
                "on_behalf_of": it.on_behalf_of,
                "expires_at": instant(it.expires_at),
            },
        })
    }

    fn signed(&self, webhook: &Webhook, id: Uuid, body: &[u8]) -> Option<HeaderMap> {
        let (id, timestamp) = (id.to_string(), self.clock.now().as_second());
        let signature = sign(&webhook.secret, &id, timestamp, body)?;
        let header = |name: &'static str, value: &str| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
        };
        let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
        [
            Some(json),
            header("webhook-id", &id),
            header("webhook-timestamp", &timestamp.to_string()),
            header("webhook-signature", &signature),
        ]
        .into_iter()
        .collect()
    }
}

/// The column behind those of the approval.
fn attempts(row: &crate::store::Row) -> Result<i64> {
    Ok(row.int(26)?)
}
