//! Users, agents and the roles they are in, and the snapshot of them that decisions read.

mod agents;
mod principal;
mod roles;
mod snapshot;
mod users;

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::Result;
use crate::audit::Ledger;
use crate::clock::Clock;
use crate::store::Database;

pub use agents::{
    Agent, AgentSecret, ListAgents, NewAgent, RegisterAgent, ResumeAgent, ShowAgent, SuspendAgent,
};
pub use principal::{Kind, Lifecycle, Principal, Roles};
pub use roles::{GrantAgentRole, GrantUserRole, RevokeAgentRole, RevokeUserRole, RoleChange};
pub use snapshot::Snapshot;
pub use users::{ListUsers, NewUser, RegisterUser, ResumeUser, ShowUser, SuspendUser, User};

/// The principals: read from memory, changed through the ledger.
pub struct Directory {
    snapshot: ArcSwap<Snapshot>,
    db: Arc<dyn Database>,
    ledger: Ledger,
    clock: Clock,
}

impl Directory {
    /// Reads all principals.
    pub async fn load(db: Arc<dyn Database>, ledger: Ledger, clock: Clock) -> Result<Directory> {
        let mut snapshot = Snapshot::default();
        for user in users::all(&*db).await? {
            snapshot.put_user(Arc::new(user));
        }
        for agent in agents::all(&*db).await? {
            snapshot.put_agent(Arc::new(agent));
        }
        Ok(Directory { snapshot: ArcSwap::from_pointee(snapshot), db, ledger, clock })
    }

    /// The principals as of now; stays as it is however long it is held.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    fn publish(&self, change: impl Fn(&mut Snapshot)) {
        self.snapshot.rcu(|it| {
            let mut next = Snapshot::clone(it);
            change(&mut next);
            next
        });
    }
}
