//! Grants: templates of the policies linked while the service runs, each for one principal (or group,
//! or role) and one tool (or tool set). Decisions read them from a snapshot, by principal.

mod actions;
mod grant;
pub mod names;
mod proposed;
mod shown;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use cedar_policy::EntityUid;
use imbl::{HashMap, OrdMap};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::audit::Ledger;
use crate::clock::Clock;
use crate::policy::Link;
use crate::store::Database;
use crate::{Error, Result};

pub use self::actions::{CreateGrant, GrantRequest, ListGrants, RevokeGrant, ShowGrant};
pub use self::grant::Grant;
pub use self::proposed::Proposed;
pub use self::shown::ShownGrant;

/// How long a replica may not know what another granted or took back.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many grants that permit one principal, group or role may have, and how many that forbid: every
/// decision of theirs looks at them all.
pub const OF_PRINCIPAL_MAX: usize = 200;
/// How many grants that permit there may be, and how many that forbid.
pub const MAX: usize = 10_000;

/// All grants in force.
pub struct Grants {
    db: Arc<dyn Database>,
    ledger: Ledger,
    clock: Clock,
    snapshot: Shared,
    /// Snapshots follow each other: one is made at a time.
    turn: Mutex<()>,
}

/// Where decisions find the grants of now.
pub type Shared = Arc<ArcSwap<Snapshot>>;

/// The grants of one instant: immutable, shared, swapped whole.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    by_id: OrdMap<Uuid, Arc<Grant>>,
    by_principal: HashMap<EntityUid, Arc<[Arc<Link>]>>,
}

/// Grants that do the same as another: permit, or forbid. What uses up the room of those that permit
/// leaves room to block, and the other way round.
pub(crate) struct Alike {
    permitting: BTreeSet<String>,
    permit: bool,
}

impl Alike {
    /// Those that do what `template` does, by the templates that permit. One that nobody knows might
    /// forbid.
    pub(crate) fn to(template: &str, permitting: BTreeSet<String>) -> Alike {
        Alike { permit: permitting.contains(template), permitting }
    }

    fn has(&self, link: &Link) -> bool {
        self.permitting.contains(&link.template) == self.permit
    }
}

impl Grants {
    pub async fn load(db: Arc<dyn Database>, ledger: Ledger, clock: Clock) -> Result<Grants> {
        let snapshot = Arc::new(ArcSwap::from_pointee(stored(&*db).await?));
        Ok(Grants { db, ledger, clock, snapshot, turn: Mutex::new(()) })
    }

    /// Takes up what other replicas granted and took back, until `stop`.
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "what other replicas granted is not known");
            }
        }
    }

    async fn look(&self) -> Result<()> {
        let before = self.snapshot();
        let rows = self.db.query("SELECT COUNT(*), COALESCE(MAX(id), '') FROM grants", vec![]);
        let rows = rows.await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let newest = before.by_id.get_max().map(|(id, _)| id.to_string()).unwrap_or_default();
        if row.int(0)? == before.by_id.len() as i64 && row.text(1)? == newest {
            return Ok(());
        }
        let stored = stored(&*self.db).await?;
        // A change of our own that came meanwhile is newer than what was read.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&before, &self.snapshot()) {
            self.snapshot.store(Arc::new(stored));
        }
        Ok(())
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The same for whoever reads it at every decision.
    pub fn shared(&self) -> Shared {
        self.snapshot.clone()
    }

    fn publish(&self, change: impl FnOnce(&mut Snapshot)) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Snapshot::clone(&self.snapshot());
        change(&mut next);
        self.snapshot.store(Arc::new(next));
    }
}

async fn stored(db: &dyn Database) -> Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    for row in db.query(grant::ALL, vec![]).await? {
        snapshot.put(Arc::new(Grant::from_row(&row)?));
    }
    Ok(snapshot)
}

impl Snapshot {
    pub fn get(&self, id: Uuid) -> Option<&Arc<Grant>> {
        self.by_id.get(&id)
    }

    /// In order of id, which is the order in which they were made.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Grant>> {
        self.by_id.values()
    }

    /// Those whose principal is one of `uids`: somebody, and what they are a member of.
    pub fn of<'a>(&self, uids: impl Iterator<Item = &'a EntityUid>) -> Vec<Arc<Link>> {
        if self.by_principal.is_empty() {
            return Vec::new();
        }
        uids.filter_map(|it| self.by_principal.get(it)).flat_map(|it| it.iter().cloned()).collect()
    }

    /// Whether there is room for one more beside those that are `alike`, and it is not there yet.
    fn admits(&self, grant: &Grant, alike: &Alike) -> Result<()> {
        if self.has(&grant.link) {
            return Err(Error::Conflict("the same is granted already".into()));
        }
        let links = self.by_principal.get(grant.principal());
        let theirs = links.map_or(0, |it| it.iter().filter(|it| alike.has(it)).count());
        let what = if alike.permit { "grants" } else { "blocks" };
        if theirs >= OF_PRINCIPAL_MAX {
            let detail = format!(
                "has {theirs} {what}, and may have no more than {OF_PRINCIPAL_MAX}: take some back, \
                 or grant a set of tools"
            );
            return Err(Error::field("/principal", detail));
        }
        if self.all().filter(|it| alike.has(&it.link)).count() >= MAX {
            let why = format!("there are {MAX} {what}, and may be no more: take some back first");
            return Err(Error::Conflict(why.into()));
        }
        Ok(())
    }

    /// Whether the same was granted already.
    fn has(&self, link: &Link) -> bool {
        let of_principal = link.principal.as_ref().and_then(|it| self.by_principal.get(&it.0));
        of_principal.is_some_and(|known| {
            known.iter().any(|it| it.template == link.template && it.resource == link.resource)
        })
    }

    /// Whoever looks at the store may know of it before whoever made it says so.
    fn put(&mut self, grant: Arc<Grant>) {
        if self.by_id.contains_key(&grant.id) {
            return;
        }
        let of_principal = self.by_principal.get(grant.principal()).cloned();
        let before = of_principal.iter().flat_map(|it| it.iter().cloned());
        let links = before.chain([grant.link.clone()]).collect();
        self.by_principal.insert(grant.principal().clone(), links);
        self.by_id.insert(grant.id, grant);
    }

    fn take(&mut self, id: Uuid) {
        let Some(grant) = self.by_id.remove(&id) else { return };
        let of_principal = self.by_principal.get(grant.principal()).cloned();
        let left = of_principal.iter().flat_map(|it| it.iter());
        let left: Arc<[_]> = left.filter(|it| it.id != grant.link.id).cloned().collect();
        match left.is_empty() {
            true => self.by_principal.remove(grant.principal()),
            false => self.by_principal.insert(grant.principal().clone(), left),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::uid::{Kind, uid};

    #[test]
    fn what_is_known_from_the_store_already_is_no_second_grant() {
        let (agent, tool) = (uid(Kind::Agent, "bot"), uid(Kind::Tool, "calc"));
        let id = Uuid::from_u128(1);
        let grant = Grant::new(id, "grant.agent-tool", (agent.clone(), tool), Uuid::nil(), 0);
        let grant = Arc::new(grant);
        let mut snapshot = Snapshot::default();
        snapshot.put(grant.clone());
        snapshot.put(grant);
        assert_eq!(snapshot.of([&agent].into_iter()).len(), 1);
        snapshot.take(id);
        assert!(snapshot.of([&agent].into_iter()).is_empty() && snapshot.get(id).is_none());
    }
}
