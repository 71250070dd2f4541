//! All principals at one instant: immutable, shared, swapped whole.

use std::sync::Arc;

use imbl::{HashMap, OrdSet};
use uuid::Uuid;

use super::{Agent, Kind, Mandate, Principal, User};

/// Cheap to clone: copies share all but what changed.
#[derive(Clone, Default)]
pub struct Snapshot {
    users: HashMap<Uuid, Arc<User>>,
    usernames: HashMap<String, Uuid>,
    agents: HashMap<Uuid, Arc<Agent>>,
    agent_names: HashMap<String, Uuid>,
    /// Those that have not expired.
    mandates: HashMap<Uuid, Arc<Mandate>>,
    /// The same by the user who gave them: agent and id, so that of one agent's the newest is last.
    given: HashMap<Uuid, OrdSet<(Uuid, Uuid)>>,
    /// The same by their end.
    ends: OrdSet<(i64, Uuid)>,
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

    /// A mandate that has not expired; it may have been revoked.
    pub fn mandate(&self, id: Uuid) -> Option<&Arc<Mandate>> {
        self.mandates.get(&id)
    }

    /// The newest mandate of this user for this agent that holds at `now`.
    pub fn mandate_between(&self, user: Uuid, agent: Uuid, now: i64) -> Option<&Arc<Mandate>> {
        let of_agent = (agent, Uuid::nil())..=(agent, Uuid::max());
        let mut newest_first = self.given.get(&user)?.range(of_agent).rev();
        newest_first.find_map(|(_, id)| self.mandate(*id).filter(|it| it.is_live(now)))
    }

    /// How many mandates a user has given that have not expired at `now`.
    pub fn mandates_given(&self, user: Uuid, now: i64) -> usize {
        let given = self.given.get(&user).into_iter().flatten();
        given.filter_map(|(_, id)| self.mandate(*id)).filter(|it| it.expires_at > now).count()
    }

    /// Takes the mandate in, and lets go of all that have expired at `now`. What was revoked stays
    /// so, in whatever order the news comes.
    pub(super) fn put_mandate(&mut self, mandate: &Arc<Mandate>, now: i64) {
        while let Some((at, id)) = self.ends.get_min().copied().filter(|(at, _)| *at <= now) {
            self.forget_mandate(at, id);
        }
        let known = self.mandates.get(&mandate.id);
        if mandate.expires_at <= now || known.is_some_and(|it| it.revoked_at.is_some()) {
            return;
        }
        self.ends.insert((mandate.expires_at, mandate.id));
        self.given.entry(mandate.user).or_default().insert((mandate.agent, mandate.id));
        self.mandates.insert(mandate.id, mandate.clone());
    }

    fn forget_mandate(&mut self, end: i64, id: Uuid) {
        self.ends.remove(&(end, id));
        let Some(gone) = self.mandates.remove(&id) else { return };
        if let Some(given) = self.given.get_mut(&gone.user) {
            given.remove(&(gone.agent, id));
            if given.is_empty() {
                self.given.remove(&gone.user);
            }
        }
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
