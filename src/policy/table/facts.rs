//! The facts of a row.
//!
//! Told to every action: `now` (RFC 3339), `home_time_zone`, `ip`, `zones`, `country`, `aal`,
//! `session_age_seconds`, `mfa_age_seconds`, `reauth_age_seconds`, `by_client`, `risk`. Told to some, as the
//! schema says: `token` (scopes), `role`, `ask` (scopes), `ttl_seconds`, `calls_last_minute`,
//! `calls_today`, `cost_today_micros`, `failures_last_hour`, `calls_ever`, `tool_owner`,
//! `approval`, `delegation`, `call`. The last three are records of which a row gives what differs from the
//! world's record of that name; the tools in them are the row's own unless it says otherwise.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::world::World;
use crate::authz::facts::{
    Age, Approval, Ask, Call, ClockFacts, Delegation, Facts, NetFacts, Particulars, Risk,
    SessionFacts, Shape, Usage,
};

/// Facts as a row and its world write them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    now: Timestamp,
    home_time_zone: String,
    ip: IpAddr,
    #[serde(default)]
    zones: BTreeSet<String>,
    country: Option<String>,
    aal: u8,
    session_age_seconds: u64,
    mfa_age_seconds: Option<u64>,
    reauth_age_seconds: Option<u64>,
    #[serde(default)]
    by_client: bool,
    risk: Risk,
    #[serde(default)]
    token: BTreeSet<String>,
    role: Option<String>,
    #[serde(default)]
    ask: BTreeSet<String>,
    #[serde(default)]
    ttl_seconds: u64,
    calls_last_minute: u64,
    calls_today: u64,
    cost_today_micros: u64,
    failures_last_hour: u64,
    calls_ever: u64,
    tool_owner: Option<String>,
    approval: Option<Approval>,
    delegation: Option<Delegation>,
    call: Option<Call>,
}

/// The facts that `given` and the world tell an action of `shape` about the tool (or other
/// resource) called `resource`.
pub(super) fn facts(
    given: &Map<String, Value>,
    shape: Shape,
    resource: &str,
    world: &World,
    zones: &[String],
) -> Result<Facts> {
    for key in given.keys() {
        ensure!(is_told(key, shape), "the action is not told `{key}`");
    }
    let told: Told = serde_json::from_value(Value::Object(merged(given, shape, resource, world)))
        .context("the facts do not parse")?;
    let home = TimeZone::get(&told.home_time_zone)
        .with_context(|| format!("no time zone `{}`", told.home_time_zone))?;
    let age = |seconds: u64| Age::from_millis(seconds.saturating_mul(1000));
    Ok(Facts {
        clock: Arc::new(ClockFacts::at(told.now, &home, zones)?),
        net: NetFacts::new(told.ip, told.zones.clone(), told.country.clone()),
        session: SessionFacts {
            aal: told.aal,
            age: age(told.session_age_seconds),
            mfa_age: told.mfa_age_seconds.map(age),
            reauth_age: told.reauth_age_seconds.map(age),
            by_client: told.by_client,
        },
        risk: told.risk,
        risk_reasons: Vec::new(),
        token_scopes: told.token.clone(),
        delegation: told.delegation.clone(),
        particulars: told.particulars(shape)?,
    })
}

impl Told {
    fn particulars(self, shape: Shape) -> Result<Particulars> {
        let usage = Usage {
            calls_last_minute: self.calls_last_minute,
            calls_today: self.calls_today,
            cost_today_micros: self.cost_today_micros,
            failures_last_hour: self.failures_last_hour,
            calls_ever: self.calls_ever,
        };
        let approval = self.approval;
        Ok(match shape {
            Shape::Base => Particulars::Base,
            Shape::Token => Particulars::Token,
            Shape::Admin => Particulars::Admin { approval },
            Shape::Role => match self.role {
                Some(role) => Particulars::Role { role, approval },
                None => bail!("the action is about a `role`, and none is given"),
            },
            Shape::Find => Particulars::Find,
            Shape::Credential => {
                let ask = Ask { scopes: self.ask, ttl_seconds: self.ttl_seconds };
                Particulars::Credential { usage, ask, approval }
            }
            Shape::Call => match self.call {
                Some(call) => Particulars::Call { usage, call: Box::new(call), approval },
                None => bail!("the world tells no `call`"),
            },
            Shape::Query => Particulars::Query { tool_owner: self.tool_owner },
            Shape::Declared => bail!("a row cannot tell an action of the bundle's own"),
        })
    }
}

/// The world's facts with the row's over them.
fn merged(
    given: &Map<String, Value>,
    shape: Shape,
    resource: &str,
    world: &World,
) -> Map<String, Value> {
    let mut told = world.facts.clone();
    for (key, value) in given {
        match world.record(key) {
            Some(usual) if value.is_object() => {
                let mut record = about(key, usual, resource);
                merge(&mut record, value);
                told.insert(key.clone(), record);
            }
            _ => {
                told.insert(key.clone(), value.clone());
            }
        }
    }
    // There is no call without a call: a row that says nothing about it has the world's.
    if let (Shape::Call, false, Some(usual)) =
        (shape, told.contains_key("call"), world.record("call"))
    {
        told.insert("call".to_owned(), about("call", usual, resource));
    }
    told
}

/// The world's record `key` for a row about `resource`.
fn about(key: &str, usual: &Value, resource: &str) -> Value {
    let mut record = usual.clone();
    let own = match key {
        "approval" => json!({ "tool": resource }),
        "call" => json!({ "version": { "tool": resource } }),
        _ => Value::Null,
    };
    if own.is_object() {
        merge(&mut record, &own);
    }
    record
}

/// RFC 7396: members replace, null removes.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn is_told(key: &str, shape: Shape) -> bool {
    let uses = matches!(shape, Shape::Credential | Shape::Call);
    match key {
        "token" | "delegation" => shape != Shape::Base,
        "role" => shape == Shape::Role,
        "ask" | "ttl_seconds" => shape == Shape::Credential,
        "calls_last_minute" | "calls_today" | "cost_today_micros" | "failures_last_hour"
        | "calls_ever" => uses,
        "approval" => uses || matches!(shape, Shape::Admin | Shape::Role),
        "call" => shape == Shape::Call,
        "tool_owner" => shape == Shape::Query,
        _ => true,
    }
}
