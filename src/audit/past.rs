//! The past in pages, newest first: for whoever looks at very many entries and keeps few.

use std::sync::Arc;

use uuid::Uuid;

use super::entry::Entry;
use super::query::Audit;
use crate::Result;
use crate::authz::Warrant;
use crate::store::{Database, Value};

/// Entries of one page: what is in memory at a time.
const PAGE: i64 = 256;

/// A stretch of the audit that is being read, from its newest entry back.
#[derive(Clone)]
pub struct Past {
    db: Arc<dyn Database>,
    /// Microseconds, inclusive.
    since: i64,
    /// Part of the text of every entry, as a pattern; empty for all.
    about: String,
    /// Only entries before this one are still to come.
    before: i64,
}

/// An entry as it stands in the store, or the place of one that cannot be read.
pub type Read = std::result::Result<Entry, i64>;

impl Audit {
    /// The entries since `since` (microseconds), on the strength of a decision that lets them be seen.
    pub fn past(&self, _: &Warrant, since: i64) -> Past {
        Past::of(self.db.clone(), since)
    }
}

impl Past {
    /// The same in a store that whoever asks may read anyway, such as the host's operator.
    pub fn of(db: Arc<dyn Database>, since: i64) -> Past {
        Past { db, since, about: String::new(), before: i64::MAX }
    }

    /// Only entries that name this principal, wherever they do.
    pub fn about(self, principal: Uuid) -> Past {
        Past { about: format!("%{principal}%"), ..self }
    }

    /// The same without what is written from now on, however often it is gone through.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn as_of_now(self) -> Result<Past> {
        let rows = self.db.query("SELECT MAX(seq) FROM audit", vec![]).await?;
        let newest = rows.first().map(|it| it.opt_int(0)).transpose()?.flatten();
        Ok(Past { before: newest.unwrap_or_default() + 1, ..self })
    }

    /// The next entries further back; none at the end.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn next(&mut self) -> Result<Option<Vec<Read>>> {
        let rows = self
            .db
            .query(
                "SELECT seq, body FROM audit
                 WHERE at >= $1 AND seq < $2 AND ($3 = '' OR body LIKE $3)
                 ORDER BY seq DESC LIMIT $4",
                vec![
                    self.since.into(),
                    self.before.into(),
                    Value::Text(self.about.clone()),
                    PAGE.into(),
                ],
            )
            .await?;
        let mut page = Vec::with_capacity(rows.len());
        for row in &rows {
            self.before = row.int(0)?;
            page.push(serde_json::from_str(row.text(1)?).map_err(|_| self.before));
        }
        Ok((!page.is_empty()).then_some(page))
    }

    /// How many entries are still to come.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn rest(&self) -> Result<u64> {
        let rows = self
            .db
            .query(
                "SELECT COUNT(*) FROM audit
                 WHERE at >= $1 AND seq < $2 AND ($3 = '' OR body LIKE $3)",
                vec![self.since.into(), self.before.into(), Value::Text(self.about.clone())],
            )
            .await?;
        let count = rows.first().map(|it| it.int(0)).transpose()?.unwrap_or_default();
        Ok(u64::try_from(count).unwrap_or_default())
    }
}
