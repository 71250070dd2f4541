//! All principals at one instant: immutable, shared, swapped whole.

use std::sync::Arc;

use imbl::HashMap;
use uuid::Uuid;

use super::{Agent, Kind, Principal, User};

/// Cheap to clone: copies share all but what changed.
#[derive(Clone, Default)]
pub struct Snapshot {
    users: HashMap<Uuid, Arc<User>>,
    usernames: HashMap<String, Uuid>,
    agents: HashMap<Uuid, Arc<Agent>>,
    agent_names: HashMap<String, Uuid>,
}

impl Snapshot {
    pub fn user(&self, id: Uuid) -> Option<&Arc<User>> {
        self.users.get(&id)
    }

    /// Finds a user by name, whatever its case.
    pub fn user_named(&self, username: &str) -> Option<&Arc<User>> {
        self.user(*self.usernames.get(&key(username))?)
    }

    pub fn agent(&self, id: Uuid) -> Option<&Arc<Agent>> {
        self.agents.get(&id)
    }

    pub fn agent_named(&self, name: &str) -> Option<&Arc<Agent>> {
        self.agent(*self.agent_names.get(&key(name))?)
    }

    pub fn principal(&self, kind: Kind, id: Uuid) -> Option<Principal> {
        match kind {
            Kind::User => self.user(id).cloned().map(Principal::User),
            Kind::Agent => self.agent(id).cloned().map(Principal::Agent),
        }
    }

    /// In order of id, which is the order of registration.
    pub fn users(&self) -> Vec<Arc<User>> {
        let mut all: Vec<_> = self.users.values().cloned().collect();
        all.sort_unstable_by_key(|it| it.id);
        all
    }

    /// In order of id, which is the order of registration.
    pub fn agents(&self) -> Vec<Arc<Agent>> {
        let mut all: Vec<_> = self.agents.values().cloned().collect();
        all.sort_unstable_by_key(|it| it.id);
        all
    }

    /// Takes the user in, unless a later revision is already here.
    pub(super) fn put_user(&mut self, user: Arc<User>) {
        if self.users.get(&user.id).is_some_and(|it| it.revision >= user.revision) {
            return;
        }
        self.usernames.insert(key(&user.username), user.id);
        self.users.insert(user.id, user);
    }

    /// Takes the agent in, unless a later revision is already here.
    pub(super) fn put_agent(&mut self, agent: Arc<Agent>) {
        if self.agents.get(&agent.id).is_some_and(|it| it.revision >= agent.revision) {
            return;
        }
        self.agent_names.insert(key(&agent.name), agent.id);
        self.agents.insert(agent.id, agent);
    }
}

/// Names are unique without regard to case.
pub(super) fn key(name: &str) -> String {
    name.to_lowercase()
}
