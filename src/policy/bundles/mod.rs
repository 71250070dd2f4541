//! Bundles in the store: drafted, checked, reviewed, activated, retired; and which one decides.
//!
//! draft → checked → active → retired, and back to active by a rollback. One row says which bundle
//! is active, and whoever changes it compares and sets its revision in the commit that carries the
//! audit entry. Every replica follows that row. No bundle becomes active that violates an invariant.

mod actions;
mod activate;
mod alarm;
mod directory;
mod draft;
mod earlier;
mod edit;
mod files;
mod follow;
mod gate;
mod head;
mod offer;
mod report;
mod review;
mod seats;
mod start;
mod stored;
mod taken;
mod waiting;
mod weigh;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;
use uuid::Uuid;

use self::alarm::Alarm;
use self::earlier::Earlier;
use self::head::Reign;
use self::seats::Seats;
use self::stored::columns;
use self::waiting::Waiting;
use super::Bundle;
use crate::Result;
use crate::audit::Ledger;
use crate::authz::Survey;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::grants::Grants;
use crate::registry::Registry;
use crate::store::{Database, Value};

pub use actions::{
    ActivateBundle, CheckBundle, DraftBundle, EditPolicy, ListBundles, ReviewBundle,
    RollBackBundle, ShowActive, ShowBundle,
};
pub use directory::Reading;
pub use draft::Made;
pub use edit::Edit;
pub use files::{files, sources};
pub use follow::named_in;
pub use head::declared;
pub use offer::{Broken, Offer};
pub use report::{
    Compared, Found, Invariants, Looked, Report, Section, Status, Unproved, Violated,
};
pub use stored::{Files, Origin, Review, State, Stored, Verdict};
pub use weigh::Discount;

/// The bundles there are.
pub struct Bundles {
    clock: Clock,
    db: Arc<dyn Database>,
    ledger: Ledger,
    directory: Arc<Directory>,
    registry: Arc<Registry>,
    grants: Arc<Grants>,
    deciding: ArcSwapOption<Deciding>,
    earlier: Earlier,
    /// Held by whoever makes another bundle the deciding one.
    turn: Mutex<()>,
    checks: Seats,
    alarm: Alarm,
    waiting: Waiting,
    /// The last good content of the directory as far as this process has read it: what people wrote.
    read_last: std::sync::Mutex<Option<String>>,
}

/// What this process decides by.
#[derive(Debug)]
pub struct Deciding {
    pub id: Uuid,
    /// That of the row that says so.
    pub revision: i64,
    pub bundle: Arc<Bundle>,
}

impl Bundles {
    pub fn new(
        db: Arc<dyn Database>,
        ledger: Ledger,
        (directory, registry, grants): (Arc<Directory>, Arc<Registry>, Arc<Grants>),
        clock: Clock,
    ) -> Bundles {
        Bundles {
            clock,
            db,
            ledger,
            directory,
            registry,
            grants,
            deciding: ArcSwapOption::empty(),
            earlier: Earlier::new(),
            turn: Mutex::default(),
            checks: Seats::new(),
            alarm: Alarm::default(),
            waiting: Waiting::default(),
            read_last: std::sync::Mutex::default(),
        }
    }

    /// What policies may speak of, as of now.
    fn landscape(&self) -> Arc<Survey> {
        let directory = Some(self.directory.snapshot());
        Arc::new(Survey { catalogue: self.registry.catalogue(), directory, zones: None })
    }

    /// What this process decides by; none before it has begun to serve.
    pub fn deciding(&self) -> Option<Arc<Deciding>> {
        self.deciding.load_full()
    }

    /// What is wrong with the policies on disk or in the store while others go on deciding.
    pub fn trouble(&self) -> Option<String> {
        self.alarm.trouble()
    }

    /// The bundle that this process decides by, as the store knows it.
    pub async fn active(&self) -> Result<Option<Arc<Stored>>> {
        match self.deciding() {
            Some(it) => self.find(it.id).await,
            None => Ok(None),
        }
    }

    pub async fn find(&self, id: Uuid) -> Result<Option<Arc<Stored>>> {
        self.find_for(id, None).await
    }

    /// The same as it is for `by`, who is to make it the active one.
    pub(super) async fn find_for(&self, id: Uuid, by: Option<Uuid>) -> Result<Option<Arc<Stored>>> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM bundles WHERE id = $1");
        Ok(self.select(SQL, vec![id.into()], by).await?.pop())
    }

    pub(crate) async fn with_digest(&self, digest: &str) -> Result<Option<Arc<Stored>>> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM bundles WHERE digest = $1");
        Ok(self.select(SQL, vec![digest.into()], None).await?.pop())
    }

    /// The files of a bundle.
    pub async fn files_of(&self, id: Uuid) -> Result<Files> {
        head::files_of(&*self.db, id).await
    }

    async fn select(
        &self,
        sql: &'static str,
        params: Vec<Value>,
        by: Option<Uuid>,
    ) -> Result<Vec<Arc<Stored>>> {
        let rows = self.db.query(sql, params).await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.uuid(0)).collect::<Result<_, _>>()?;
        let (Some(first), Some(last)) = (ids.iter().min(), ids.iter().max()) else {
            return Ok(Vec::new());
        };
        let mut reviews = self.reviews_between(*first, *last).await?;
        let reign = head::reign(&*self.db).await?;
        let mut all = Vec::with_capacity(rows.len());
        for (row, id) in rows.iter().zip(&ids) {
            let stored = Stored::from_row(row, reviews.remove(id).unwrap_or_default())?;
            all.push(Arc::new(self.standing(stored, reign.as_ref(), by).await?));
        }
        Ok(all)
    }

    /// A bundle beside what decides now.
    async fn standing(
        &self,
        mut stored: Stored,
        reign: Option<&Reign>,
        by: Option<Uuid>,
    ) -> Result<Stored> {
        let Some(reign) = reign else { return Ok(stored) };
        stored.beside = Some(reign.digest.clone());
        if stored.state == State::Active {
            // What was said when it took the other's place; it replaces nothing any more.
            let replaced = stored.checked_against.clone();
            return if stored.reviews.is_empty() {
                Ok(stored)
            } else {
                self.weigh(stored, &replaced, by).await
            };
        }
        stored.is_current = stored.checked_against == reign.digest;
        stored.replaced_ago = stored.replaced_by(reign, self.clock.micros());
        if stored.reviews.is_empty() {
            return stored.sealed();
        }
        self.weigh(stored, &reign.digest, by).await
    }

    /// The reviews of the bundles whose ids lie between these, by bundle.
    async fn reviews_between(
        &self,
        first: Uuid,
        last: Uuid,
    ) -> Result<BTreeMap<Uuid, Vec<Review>>> {
        const SQL: &str = "SELECT bundle_id, reviewer, reviewer_name, verdict, reason, reviewed_at,
                                  against, decision_id
                           FROM bundle_reviews WHERE bundle_id >= $1 AND bundle_id <= $2
                           ORDER BY reviewed_at, reviewer";
        let mut reviews: BTreeMap<Uuid, Vec<Review>> = BTreeMap::new();
        for row in self.db.query(SQL, vec![first.into(), last.into()]).await? {
            reviews.entry(row.uuid(0)?).or_default().push(Review::from_row(&row)?);
        }
        Ok(reviews)
    }
}
