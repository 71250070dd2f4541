//! Reading the audit.

use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use serde::Serialize;
use serde_json::value::RawValue;

use super::checkpoint::Signer;
use super::verify::{Report, verify};
use crate::Result;
use crate::authz::facts::Particulars;
use crate::authz::uid::{Kind, uid};
use crate::authz::{Action, Permit, Resource, World};
use crate::store::{Database, Row, Value};

/// The audit, for reading: entries, heads and proofs.
pub struct Audit {
    pub(super) db: Arc<dyn Database>,
    signer: Arc<Signer>,
}

/// The audit as a resource: there is one.
#[derive(Clone, Copy, Debug)]
pub struct AuditLog;

impl Resource for AuditLog {
    fn uid(&self) -> EntityUid {
        uid(Kind::AuditLog, "log")
    }

    fn entity(&self) -> Option<&Entity> {
        None
    }

    fn name(&self) -> &str {
        "audit"
    }
}

/// An action on the audit.
macro_rules! on_audit {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $type:ty),* $(,)? }, $event:literal) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            $($(#[$of])* pub $field: $type),*
        }

        impl Action for $name {
            const NAME: &'static str = "view_audit";
            const EVENT: &'static str = $event;
            type Resource = AuditLog;

            async fn find(&self, _: &World) -> Result<Option<AuditLog>> {
                Ok(Some(AuditLog))
            }

            fn particulars(&self, _: &AuditLog) -> Particulars {
                Particulars::Token
            }
        }
    };
}

on_audit!(
    /// Reading entries, newest first. Texts that are empty filter nothing.
    ReadAudit {
        actor_id: String,
        actor: String,
        event: String,
        target_id: String,
        outcome: String,
        decision_id: String,
        /// Microseconds, inclusive.
        from: i64,
        /// Microseconds, exclusive.
        to: i64,
        /// Part of the entry's text, without regard to case.
        q: String,
        /// Only entries before this one.
        before: i64,
        skip: i64,
        page_size: i64,
    },
    "audit.read"
);
on_audit!(
    /// Proving that an entry is in the tree.
    ProveEntry { seq: u64 },
    "audit.proof"
);
on_audit!(
    /// Proving that one head continues another.
    ProveConsistency { from: u64, to: Option<u64> },
    "audit.consistency"
);

/// An entry where it stands in the tree.
#[derive(Debug, Serialize)]
pub struct Stored {
    pub seq: i64,
    /// The entry as it was written, byte for byte.
    pub entry: Box<RawValue>,
}

impl Audit {
    pub fn new(db: Arc<dyn Database>, signer: Arc<Signer>) -> Audit {
        Audit { db, signer }
    }

    /// The verifier key of checkpoints, in signed-note form.
    pub fn public_key(&self) -> &str {
        self.signer.public_key()
    }

    /// Recomputes the whole tree and holds it against its head, and against an older checkpoint.
    pub async fn verify(&self, older: Option<&str>) -> anyhow::Result<Report> {
        verify(&*self.db, self.public_key(), older).await
    }

    /// The latest signed head; none before the first entry.
    pub async fn checkpoint(&self) -> Result<Option<String>> {
        let rows = self.db.query("SELECT checkpoint FROM audit_head WHERE id = 1", vec![]).await?;
        let text = rows.first().map(|it| it.text(0)).transpose()?.unwrap_or_default();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    /// The entries asked for, newest first, one more than the page so that the caller knows of it.
    pub async fn read(&self, permit: &Permit<ReadAudit>) -> Result<Vec<Stored>> {
        let it = permit.action();
        let text = |text: &str| Value::Text(text.to_owned());
        let pattern = match it.q.is_empty() {
            true => String::new(),
            false => format!("%{}%", it.q.replace('!', "!!").replace('%', "!%").replace('_', "!_")),
        };
        let rows = self
            .db
            .query(
                "SELECT seq, body FROM audit
                 WHERE ($1 = '' OR actor_id = $1) AND ($2 = '' OR actor_name = $2)
                   AND ($3 = '' OR event = $3) AND ($4 = '' OR target_id = $4)
                   AND ($5 = '' OR outcome = $5) AND ($6 = '' OR id = $6)
                   AND at >= $7 AND at < $8
                   AND ($9 = '' OR lower(body) LIKE lower($9) ESCAPE '!')
                   AND seq < $10
                 ORDER BY seq DESC LIMIT $11 OFFSET $12",
                vec![
                    text(&it.actor_id),
                    text(&it.actor),
                    text(&it.event),
                    text(&it.target_id),
                    text(&it.outcome),
                    text(&it.decision_id),
                    it.from.into(),
                    it.to.into(),
                    Value::Text(pattern),
                    it.before.into(),
                    (it.page_size + 1).into(),
                    it.skip.into(),
                ],
            )
            .await?;
        rows.iter().map(stored).collect()
    }
}

fn stored(row: &Row) -> Result<Stored> {
    let entry = RawValue::from_string(row.text(1)?.to_owned()).map_err(anyhow::Error::from)?;
    Ok(Stored { seq: row.int(0)?, entry })
}
