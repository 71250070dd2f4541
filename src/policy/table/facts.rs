//! The facts of a row.
//!
//! Told to every action: `at` (RFC 9557: the instant, and in brackets the home zone), `ip`, `zones`,
//! `country`, `aal`, `session_age_seconds`, `mfa_age_seconds`, `reauth_age_seconds`, `by_client`,
//! `risk`. Told to some, as the schema says: `token` (scopes), `role`, `ask` (scopes),
//! `ttl_seconds`, `usage`, `history` (by name; what is left out is nothing yet), `approval`,
//! `delegation`, `call`, `arguments` (of the call), `tool_owner`. The records among them are what
//! differs from the world's record of that name; the tools in `approval` and `call` are the row's own unless it says
//! otherwise.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fixtures::World;
use crate::authz::facts::{
    Age, Amount, Approval, Ask, Call, ClockFacts, Delegation, Facts, Granting, History, NetFacts,
    Particulars, Risk, SessionFacts, Shape, Tally, Usage,
};
use crate::policy::Bundle;

/// For a person who wrote a time otherwise.
const EXAMPLE: &str = "2026-03-14T09:00[Europe/Berlin]";

/// Told to some actions only.
const OF_SOME: [&str; 12] = [
    "token",
    "role",
    "ask",
    "ttl_seconds",
    "usage",
    "history",
    "approval",
    "delegation",
    "call",
    "arguments",
    "tool_owner",
    "granting",
];

/// What a row tells.
pub(super) struct Told {
    pub(super) facts: Facts,
    /// The zone in which the organization's hours count.
    pub(super) home: TimeZone,
}

/// Facts as a row and its world write them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    at: String,
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
    usage: Usage,
    tool_owner: Option<String>,
    granting: Option<Granting>,
    approval: Option<Approval>,
    delegation: Option<Delegation>,
    call: Option<Call>,
}

/// The facts that `given`, then `defaults`, then the world tell an action of `shape` about the tool
/// (or other resource) called `resource`.
pub(super) fn facts(
    given: &Map<String, Value>,
    defaults: &Map<String, Value>,
    shape: Shape,
    resource: &str,
    world: &World<'_>,
    bundle: &Bundle,
) -> Result<Told> {
    for key in given.keys() {
        ensure!(is_fact(key), "no fact `{key}`");
        ensure!(is_told(key, shape), "the action is not told `{key}`");
    }
    let usual = defaults.iter().filter(|(key, _)| is_told(key, shape) && !given.contains_key(*key));
    let mut told = merged(usual.chain(given), shape, resource, world);
    let history = past(told.remove("history"), bundle)?;
    let told: Written =
        serde_json::from_value(Value::Object(told)).context("the facts do not parse")?;
    let (now, home) = moment(&told.at, world)?;
    let age = |seconds: u64| Age::from_millis(seconds.saturating_mul(1000));
    let facts = Facts {
        clock: Arc::new(ClockFacts::at(now, &home, bundle.zones())?),
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
        history: Some(history),
        particulars: told.particulars(shape)?,
    };
    Ok(Told { facts, home })
}

impl Written {
    fn particulars(self, shape: Shape) -> Result<Particulars> {
        let usage = self.usage;
        let approval = self.approval;
        Ok(match shape {
            Shape::Base => Particulars::Base,
            Shape::Token => Particulars::Token,
            Shape::Admin => Particulars::Admin { approval },
            Shape::Role => match self.role {
                Some(role) => Particulars::Role { role, approval },
                None => bail!("the action is about a `role`, and none is given"),
            },
            Shape::Grant => {
                let granting = self.granting.unwrap_or_else(Granting::of_use);
                Particulars::Grant { granting, approval }
            }
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

/// What happened before: as it is told, and nothing else.
fn past(told: Option<Value>, bundle: &Bundle) -> Result<History> {
    let nothing = bundle.past().nothing();
    let Some(told) = told else { return Ok(nothing) };
    let told = told.as_object().context("`history` is no table of facts")?;
    let facts = told.iter().map(|(name, value)| {
        let usual = nothing.get(name);
        let usual = usual.with_context(|| format!("`history.toml` declares no `{name}`"))?;
        Ok((name.clone(), tally(name, value, usual)?))
    });
    Ok(nothing.clone().with(&facts.collect::<Result<History>>()?))
}

/// What `value` is as a fact of the kind of `usual`. A sum may stand with quotes and without.
fn tally(name: &str, value: &Value, usual: Tally) -> Result<Tally> {
    match usual {
        Tally::Count(_) => value.as_u64().map(Tally::Count).with_context(|| {
            format!("`history.{name}` is {value}, and it counts: a whole number, such as 3")
        }),
        Tally::Sum(_) => {
            let amount = value.as_str().map_or_else(|| Amount::of(value), str::parse);
            amount.map(Tally::Sum).with_context(|| {
                format!("`history.{name}` is {value}, and it is a sum: a number, such as 3.5")
            })
        }
    }
}

/// The instant, and the home zone: the row's own, or the world's where `at` names none.
fn moment(at: &str, world: &World<'_>) -> Result<(Timestamp, TimeZone)> {
    let zoned = |text: &str| text.parse::<Zoned>();
    if let Ok(it) = zoned(at) {
        return Ok((it.timestamp(), it.time_zone().clone()));
    }
    let now = at.parse::<Timestamp>();
    let now = now.with_context(|| format!("`at` is `{at}`, not like `{EXAMPLE}`"))?;
    let usual = world.facts.get("at").and_then(Value::as_str).unwrap_or_default();
    let home = zoned(usual).context("the world's `at` names no zone in brackets")?;
    Ok((now, home.time_zone().clone()))
}

/// The world's facts with the row's over them.
fn merged<'a>(
    given: impl Iterator<Item = (&'a String, &'a Value)>,
    shape: Shape,
    resource: &str,
    world: &World<'_>,
) -> Map<String, Value> {
    let mut told = world.facts.clone();
    for (key, value) in given {
        let record = || world.record(key).map(|it| about(key, it, resource));
        let usual = told.get(key).cloned().or_else(record);
        match (key.as_str(), usual) {
            ("arguments", _) => {
                let call = told.entry("call").or_insert_with(|| call(resource, world));
                merge(call, &json!({ "arguments": value }));
            }
            (_, Some(mut record)) if record.is_object() && value.is_object() => {
                merge(&mut record, value);
                told.insert(key.clone(), record);
            }
            _ => {
                told.insert(key.clone(), value.clone());
            }
        }
    }
    // There is no call without a call: a row that says nothing about it has the world's.
    if shape == Shape::Call {
        told.entry("call").or_insert_with(|| call(resource, world));
    }
    told
}

/// The call that the world tells of, if it tells of one.
fn call(resource: &str, world: &World<'_>) -> Value {
    world.record("call").map_or(Value::Null, |it| about("call", it, resource))
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

/// Whether any action is told this.
pub(super) fn is_fact(key: &str) -> bool {
    const OF_EVERY: [&str; 10] = [
        "at",
        "ip",
        "zones",
        "country",
        "aal",
        "session_age_seconds",
        "mfa_age_seconds",
        "reauth_age_seconds",
        "by_client",
        "risk",
    ];
    OF_EVERY.contains(&key) || OF_SOME.contains(&key)
}

/// Whether an action of `shape` is told this, which is a fact.
fn is_told(key: &str, shape: Shape) -> bool {
    let uses = matches!(shape, Shape::Credential | Shape::Call);
    match key {
        "token" | "delegation" => shape != Shape::Base,
        "role" => shape == Shape::Role,
        "ask" | "ttl_seconds" => shape == Shape::Credential,
        "usage" | "history" => uses,
        "approval" => uses || matches!(shape, Shape::Admin | Shape::Role | Shape::Grant),
        "call" | "arguments" => shape == Shape::Call,
        "tool_owner" => shape == Shape::Query,
        "granting" => shape == Shape::Grant,
        _ => true,
    }
}
