//! The one row that says which bundle is active.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::stored::Files;
use super::{files, stored};
use crate::policy::{Bundle, Declared, Fault};
use crate::store::{Database, Statement};
use crate::{Error, Result};

/// What decides now, and since when.
#[derive(Clone, Debug)]
pub(super) struct Reign {
    pub digest: String,
    /// Microseconds since the epoch.
    pub since: Option<i64>,
    /// Whether it has decided before, and came back.
    pub returned: bool,
}

pub(super) async fn reign(db: &dyn Database) -> Result<Option<Reign>> {
    let sql = "SELECT h.digest, b.activated_at, b.retired_at
               FROM bundle_head h JOIN bundles b ON b.id = h.bundle_id WHERE h.id = 1";
    let rows = db.query(sql, vec![]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (digest, since) = (row.text(0)?.to_owned(), row.opt_int(1)?);
    Ok(Some(Reign { digest, since, returned: row.opt_int(2)?.is_some() }))
}

/// What the row says.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub bundle: Uuid,
    pub digest: String,
    pub revision: i64,
    /// What people wrote of the bundle; none where no release has said it yet.
    written: Option<String>,
    /// The same of what was last taken from a directory.
    directory: Option<String>,
}

impl Head {
    /// Whether the bundle is what people wrote so.
    pub fn is_written(&self, written: &str) -> bool {
        self.written.as_deref() == Some(written)
    }

    /// Whether this was last taken from a directory, and something else decides since.
    pub fn has_left(&self, written: &str) -> bool {
        self.directory.as_deref() == Some(written) && !self.is_written(written)
    }

    /// Whether the bundle is what was last taken from a directory, as people wrote it.
    pub fn is_taken_last(&self) -> bool {
        self.directory.is_some() && self.directory == self.written
    }

    /// What was last taken from a directory, as people wrote it.
    pub fn directory(&self) -> Option<&str> {
        self.directory.as_deref()
    }
}

pub(super) async fn read(db: &dyn Database) -> Result<Option<Head>> {
    let sql = "SELECT h.bundle_id, h.digest, h.revision, b.written, d.written
               FROM bundle_head h JOIN bundles b ON b.id = h.bundle_id
               LEFT JOIN bundles d ON d.digest = h.directory
               WHERE h.id = 1";
    let rows = db.query(sql, vec![]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Head {
        bundle: row.uuid(0)?,
        digest: row.text(1)?.to_owned(),
        revision: row.int(2)?,
        written: row.opt_text(3)?.map(str::to_owned),
        directory: row.opt_text(4)?.map(str::to_owned),
    }))
}

pub(super) async fn files_of(db: &dyn Database, id: Uuid) -> Result<Files> {
    let sql = "SELECT sources FROM bundles WHERE id = $1";
    let rows = db.query(sql, vec![id.into()]).await?;
    Ok(rows.first().ok_or(Error::NotFound)?.json(0)?)
}

/// Of so many bundles that decided here, the newest, it is looked up what they counted: more were
/// hardly at work in a window that is looked back on.
const DECLARED_MAX: i64 = 100;

/// What the facts of the past counted in the bundles that decided here, by digest. One that this
/// release cannot read is left out.
///
/// # Errors
/// The store does not answer.
pub async fn declared(db: &dyn Database) -> Result<BTreeMap<String, Declared>> {
    let sql = "SELECT digest, sources FROM bundles WHERE activated_at IS NOT NULL
               ORDER BY activated_at DESC LIMIT $1";
    let mut known = BTreeMap::new();
    for row in db.query(sql, vec![DECLARED_MAX.into()]).await? {
        let files: Files = row.json(1)?;
        let read = files::sources(&files).and_then(|it| Declared::parse(it.history.as_ref()));
        if let Ok(declared) = read {
            known.insert(row.text(0)?.to_owned(), declared);
        }
    }
    Ok(known)
}

/// The bundle that the row names, ready to decide. Its tables held when it was activated.
///
/// # Errors
/// The store's; or the faults of a bundle that this release takes for none.
pub(super) async fn load(db: &dyn Database, id: Uuid) -> Result<Result<Arc<Bundle>, Vec<Fault>>> {
    let files = files_of(db, id).await?;
    let build = move || files::sources(&files).and_then(Bundle::tested_before).map(Arc::new);
    let built = tokio::task::spawn_blocking(build).await;
    Ok(built.map_err(anyhow::Error::from)?)
}

/// Whether a bundle was read from a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    FromDirectory,
    No,
}

/// What makes `next` the active bundle in place of `before`, or of none.
pub(super) struct Switch<'a> {
    pub before: Option<&'a Head>,
    pub next: Uuid,
    pub digest: &'a str,
    pub taken: Taken,
    pub now: i64,
}

impl Switch<'_> {
    /// The revision that the row has afterwards.
    pub fn revision(&self) -> i64 {
        self.before.map_or(1, |it| it.revision + 1)
    }

    /// The bundle's own row is left to whoever calls.
    pub fn statements(&self) -> Vec<Statement> {
        let taken = (self.taken == Taken::FromDirectory).then_some(self.digest);
        let Some(before) = self.before else {
            let insert = Statement::new(
                "INSERT INTO bundle_head (id, bundle_id, digest, revision, directory, updated_at)
                 VALUES (1, $1, $2, $3, $4, $5)",
            );
            let insert = insert.bind(self.next).bind(self.digest).bind(self.revision());
            return vec![insert.bind(taken).bind(self.now).expect_rows(1)];
        };
        let retire = Statement::new(
            "UPDATE bundles SET state = $2, retired_at = $3, updated_at = $3,
                    revision = revision + 1
             WHERE id = $1 AND state = 'active'",
        );
        let retired = stored::State::Retired.as_str();
        let head = Statement::new(
            "UPDATE bundle_head
             SET bundle_id = $2, digest = $3, revision = revision + 1,
                 directory = COALESCE($4, directory), updated_at = $5
             WHERE id = 1 AND revision = $1",
        );
        vec![
            retire.bind(before.bundle).bind(retired).bind(self.now).expect_rows(1),
            head.bind(before.revision)
                .bind(self.next)
                .bind(self.digest)
                .bind(taken)
                .bind(self.now)
                .expect_rows(1),
        ]
    }
}
