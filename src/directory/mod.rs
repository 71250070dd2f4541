//! Users, agents, the roles they are in and the mandates between them, and the snapshot of all this
//! that decisions read.

mod actions;
mod agent_proofs;
mod agent_secret;
mod agents;
#[cfg(test)]
pub(crate) mod fixture;
mod mandates;
mod name;
mod principal;
mod provenance;
mod snapshot;
mod users;

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::Result;
use crate::audit::Ledger;
use crate::clock::Clock;
use crate::store::Database;

pub use actions::{
    GrantAgentRole, GrantUserRole, ListAgents, ListUsers, ResumeAgent, ResumeUser, RevokeAgentRole,
    RevokeUserRole, RoleChange, ShowAgent, ShowUser, SuspendAgent, SuspendUser,
};
pub use agent_proofs::{RotateAgentSecret, SetAgentKeys};
pub use agent_secret::AgentSecret;
pub use agents::{Agent, NewAgent, RegisterAgent};
pub use mandates::{
    AgentRef, GiveMandate, ListMandates, Mandate, NewMandate, RevokeMandate, ShowMandate,
};
pub use name::{NoPrincipalName, PrincipalName};
pub use principal::{Groups, Kind, Lifecycle, Principal, Roles};
pub use provenance::{Giver, SPONSORED_FOR};
pub use snapshot::Snapshot;
pub use users::{NewUser, RegisterUser, User};

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
        let now = clock.micros();
        for mandate in mandates::unexpired(&*db, now).await? {
            snapshot.put_mandate(&Arc::new(mandate), now);
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
