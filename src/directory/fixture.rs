//! People, agents and mandates for tests that have no store.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;
use uuid::Uuid;

use super::{Agent, Lifecycle, Mandate, Snapshot, User};
use crate::store::{Row, Value};

/// A mandate before it is kept. Instants are microseconds.
#[derive(Clone, Debug)]
pub struct Given {
    pub user: Uuid,
    pub agent: Uuid,
    pub scopes: Vec<&'static str>,
    pub tools: &'static str,
    pub not_before: i64,
    pub expires_at: i64,
    pub max_depth: u32,
    pub revoked_at: Option<i64>,
}

/// What is remembered of a principal is remembered by its revision: nobody's comes twice.
fn revision() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// A user in these roles.
pub fn user(id: Uuid, roles: &[&str], state: Lifecycle) -> Arc<User> {
    let row: Vec<Value> = vec![
        id.into(),
        "uma".into(),
        state.as_str().into(),
        json!(roles).to_string().into(),
        revision().into(),
        0.into(),
        0.into(),
        "[]".into(),
        "{}".into(),
    ];
    Arc::new(User::from_row(&Row::from(row)).unwrap())
}

/// An agent in these roles.
pub fn agent(id: Uuid, roles: &[&str], state: Lifecycle) -> Arc<Agent> {
    let row: Vec<Value> = vec![
        id.into(),
        format!("agent-{id}").into(),
        Uuid::nil().into(),
        state.as_str().into(),
        json!(roles).to_string().into(),
        revision().into(),
        0.into(),
        0.into(),
        "[]".into(),
        r#"{"keys":[]}"#.into(),
        vec![0; 32].into(),
        Value::Null,
        Value::Null,
    ];
    Arc::new(Agent::from_row(&Row::from(row)).unwrap())
}

pub fn mandate(id: Uuid, it: &Given) -> Arc<Mandate> {
    let body = json!({
        "scopes": it.scopes, "tools": it.tools, "not_before": it.not_before,
        "max_depth": it.max_depth,
    });
    let row: Vec<Value> = vec![
        id.into(),
        it.user.into(),
        it.agent.into(),
        body.to_string().into(),
        it.not_before.into(),
        it.expires_at.into(),
        it.revoked_at.into(),
    ];
    Arc::new(Mandate::from_row(&Row::from(row)).unwrap())
}

/// All of them as of `now`.
pub fn snapshot(
    users: &[Arc<User>],
    agents: &[Arc<Agent>],
    mandates: &[Arc<Mandate>],
    now: i64,
) -> Snapshot {
    let mut snapshot = Snapshot::default();
    users.iter().for_each(|it| snapshot.put_user(it.clone()));
    agents.iter().for_each(|it| snapshot.put_agent(it.clone()));
    mandates.iter().for_each(|it| snapshot.put_mandate(it, now));
    snapshot
}
