//! What was taken from a directory before: a directory says something new only once.
//!
//! Content is compared as people wrote it. Its digest would change with the release, and with what
//! the registered tools take, though nobody touched a file.

use std::sync::PoisonError;

use super::head::Head;
use super::stored::{Files, Stored};
use super::{Bundles, files};
use crate::Result;
use crate::authz::Warrant;
use crate::policy::Bundle;
use crate::store::{Row, Statement};

/// How many bundles a commit fills in.
const FILLED_AT_ONCE: i64 = 20;

/// What people wrote of a bundle.
pub(super) fn written(bundle: &Bundle) -> String {
    files::written(&files(bundle.sources()))
}

impl Bundles {
    /// Whether this is what the process read last.
    pub(super) fn was_read_last(&self, written: &str) -> bool {
        let last = self.read_last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_deref() == Some(written)
    }

    pub(super) fn note_read(&self, written: &str) {
        let mut last = self.read_last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(written.to_owned());
    }

    /// Whether a bundle that people wrote so was active and lay in a directory.
    pub(super) async fn was_taken_before(&self, written: &str) -> Result<bool> {
        let sql = "SELECT id FROM bundles WHERE written = $1 AND taken_at IS NOT NULL LIMIT 1";
        Ok(!self.db.query(sql, vec![written.into()]).await?.is_empty())
    }

    /// Remembers that the active bundle lies in a directory, too: once it is active no more, a
    /// restart with it must not turn back the others.
    #[expect(clippy::disallowed_methods, reason = "what lies on disk is nobody's request")]
    pub(super) async fn note_taken(&self, head: &Head, stored: &Stored) -> Result<()> {
        let mut statements = Vec::new();
        if stored.taken_at.is_none() {
            let taken = Statement::new("UPDATE bundles SET taken_at = $2 WHERE id = $1");
            statements.push(taken.bind(stored.id).bind(self.clock.micros()).expect_rows(1));
        }
        if self.is_newest(head, stored) {
            // If another bundle became active meanwhile, that one says it.
            let sql = "UPDATE bundle_head SET directory = $2 WHERE id = 1 AND revision = $1";
            let last = Statement::new(sql).bind(head.revision);
            statements.push(last.bind(stored.digest.as_str()));
        }
        if statements.is_empty() {
            return Ok(());
        }
        let warrant = Warrant::system("take_up_policies", &self.clock).called("policy.taken");
        warrant.note("digest", stored.digest.as_str());
        self.ledger.commit(&warrant, statements).await
    }

    /// Whether a directory with the active bundle is further than the one that was taken from last.
    /// One that only has not got that far yet must not make what was taken last look new again.
    fn is_newest(&self, head: &Head, stored: &Stored) -> bool {
        let was_there = head.directory().is_none_or(|it| self.was_read_last(it));
        !head.is_taken_last() && (was_there || stored.taken_at.is_none())
    }

    /// Fills in what people wrote of the bundles that a release stored which did not know it.
    ///
    /// # Errors
    /// The store does not answer.
    #[expect(clippy::disallowed_methods, reason = "an upgrade is nobody's request")]
    pub(super) async fn note_written(&self) -> Result<()> {
        let sql = "SELECT id, sources FROM bundles WHERE written IS NULL ORDER BY id LIMIT $1";
        loop {
            let rows = self.db.query(sql, vec![FILLED_AT_ONCE.into()]).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let statements = rows.iter().map(filled_in).collect::<Result<Vec<_>>>()?;
            let warrant = Warrant::system("take_up_policies", &self.clock).called("policy.upgrade");
            warrant.note("count", statements.len());
            self.ledger.commit(&warrant, statements).await?;
        }
    }
}

fn filled_in(row: &Row) -> Result<Statement> {
    let sources: Files = row.json(1)?;
    let sql = "UPDATE bundles SET written = $2 WHERE id = $1 AND written IS NULL";
    Ok(Statement::new(sql).bind(row.uuid(0)?).bind(files::written(&sources)))
}
