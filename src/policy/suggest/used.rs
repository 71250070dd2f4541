//! What an agent really used: tool by tool and action by action, with the widest that it asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::EntityUid;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::seen::Seen;
use crate::audit::past::Read;
use crate::audit::{Decision, Entry};
use crate::authz::case::Case;
use crate::authz::facts::{Facts, Particulars};
use crate::authz::uid::{Kind, action};
use crate::policy::Bundle;
use crate::policy::replay::{Gathering, Known};

/// What was done with one tool.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Used {
    pub tool: Known,
    /// The id of the Cedar action.
    pub action: String,
    pub times: usize,
    pub last: Timestamp,
    /// Every scope that a credential was asked for with.
    pub scopes: BTreeSet<String>,
    /// The longest life that a credential was asked for with, in seconds.
    pub ttl_seconds: Option<u64>,
}

/// Uses by tool and action, as they are gathered from the audit.
pub struct Uses {
    agent: Uuid,
    /// Says which actions are uses.
    bundle: Arc<Bundle>,
    by: BTreeMap<(String, String), Used>,
    /// The newest decision on each that was recorded in full.
    newest: BTreeMap<(String, String), Case>,
    /// Under what circumstances, over all of them.
    pub seen: Seen,
    decisions: usize,
    /// Allowed uses that cannot be read, of which nobody knows what they were.
    pub unreadable: usize,
}

impl Uses {
    pub fn of(agent: Uuid, bundle: Arc<Bundle>) -> Uses {
        let (by, newest, seen) = Default::default();
        Uses { agent, bundle, by, newest, seen, decisions: 0, unreadable: 0 }
    }

    /// By tool and action. A tool goes by its newest name.
    pub fn all(&self) -> Vec<Used> {
        self.by.values().cloned().collect()
    }

    /// The same, each with the newest decision on it that was recorded in full.
    pub fn recorded<'a>(&'a self, used: &'a [Used]) -> impl Iterator<Item = (&'a Used, Case)> {
        used.iter().filter_map(|it| {
            let key = (it.tool.id.clone(), it.action.clone());
            Some((it, self.newest.get(&key)?.clone()))
        })
    }

    /// Whether the agent must have been allowed for this to happen: it asked, or somebody asked
    /// whom it acts for or who acts for it.
    fn is_concerned(&self, entry: &Entry) -> bool {
        let id = self.agent.to_string();
        let chain = entry.details.get("chain").and_then(Value::as_array);
        entry.actor.id == id || chain.into_iter().flatten().any(|it| it.as_str() == Some(&id))
    }

    fn is_use(&self, name: &str) -> bool {
        let group: EntityUid = action("use");
        self.bundle.action_entities(&action(name)).iter().any(|it| it.uid() == group)
    }

    fn note(&mut self, entry: Entry) {
        let Some(action) = entry.action.as_deref().filter(|it| self.is_use(it)) else { return };
        let is_allowed = entry.decision == Decision::Allow && entry.bundle.is_some();
        if !is_allowed || entry.target.kind != Kind::Tool.name() || !self.is_concerned(&entry) {
            return;
        }
        self.decisions += 1;
        let facts = entry.facts.as_ref().and_then(|it| serde_json::from_str(it.get()).ok());
        let Some(facts): Option<Facts> = facts else {
            self.unreadable += 1;
            return;
        };
        let action = action.to_owned();
        let key = (entry.target.id.clone(), action.clone());
        if entry.actor.id == self.agent.to_string()
            && !self.newest.contains_key(&key)
            && let Ok(case) = Case::of_entry(&entry)
        {
            self.newest.insert(key.clone(), case);
        }
        let (at, tool) = (entry.at, Known::from(entry.target));
        let used = self.by.entry(key).or_insert_with(|| Used {
            tool,
            action,
            times: 0,
            last: at,
            scopes: BTreeSet::new(),
            ttl_seconds: None,
        });
        used.times += 1;
        used.last = used.last.max(at);
        if let Particulars::Credential { ask, .. } = &facts.particulars {
            used.scopes.extend(ask.scopes.iter().cloned());
            used.ttl_seconds = used.ttl_seconds.max(Some(ask.ttl_seconds));
        }
        let ip: IpAddr = facts.net.ip();
        self.seen.note(ip, &facts.net.zones, facts.clock.home(), at);
    }
}

impl Gathering for Uses {
    fn take(&mut self, entry: Read) {
        match entry {
            Ok(it) => self.note(it),
            Err(_) => self.unreadable += 1,
        }
    }

    fn decisions(&self) -> usize {
        self.decisions
    }
}
