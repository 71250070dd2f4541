//! Recorded decisions for tests that have no store.

use serde_json::{Value, json};

use crate::audit::Entry;
use crate::policy::{Bundle, SourceFile, Sources};

/// The id of the agent that asks.
pub const ROBOT: &str = "0192f3c8-7c1e-7000-8000-000000000001";
pub const CALC: &str = "0192f3c8-7c1e-7000-8000-000000000002";

/// What distinguishes one recorded decision from another.
pub struct Asked {
    /// Part of the id.
    pub number: usize,
    pub tool: &'static str,
    pub risk: &'static str,
    pub scopes: &'static [&'static str],
    pub ttl_seconds: u64,
    pub calls_last_minute: u64,
    pub allowed: bool,
    pub bundle: String,
}

impl Default for Asked {
    fn default() -> Asked {
        Asked {
            number: 0,
            tool: CALC,
            risk: "low",
            scopes: &["evaluate"],
            ttl_seconds: 600,
            calls_last_minute: 1,
            allowed: true,
            bundle: "unknown".into(),
        }
    }
}

/// An entry as the audit has it: an agent asks for a credential.
pub fn entry(asked: &Asked) -> Entry {
    serde_json::from_value(json(asked)).unwrap()
}

pub fn json(asked: &Asked) -> Value {
    let Asked { tool, risk, scopes, ttl_seconds, calls_last_minute, .. } = asked;
    let of = |kind: &str, id: &str| json!({ "type": format!("Gatewright::{kind}"), "id": id });
    let entity = |kind: &str, id: &str| json!({ "__entity": of(kind, id) });
    let scope = |id: &str| entity("Scope", id);
    let agent = json!({
        "uid": of("Agent", ROBOT), "parents": [of("Role", "agent")],
        "attrs": { "owner": entity("User", "alice"), "state": entity("Lifecycle", "active"),
                   "attested": false },
    });
    let hour = json!({ "__extn": { "fn": "duration", "arg": "1h" } });
    let tool_entity = json!({
        "uid": of("Tool", tool), "parents": [],
        "attrs": { "owner": entity("User", "alice"), "state": entity("ToolState", "active"),
                   "risk": entity("RiskLevel", risk), "consequential": false,
                   "allowed_scopes": [scope("evaluate"), scope("explain")],
                   "required_scopes": [], "max_ttl": hour },
    });
    json!({
        "id": format!("0192f3c8-7c1e-7000-9000-{:012x}", asked.number),
        "at": "2026-03-11T10:00:00Z", "event": "credential.issue", "action": "request_credential",
        "actor": { "kind": "agent", "id": ROBOT, "name": "robot" },
        "target": { "kind": "Tool", "id": tool, "name": "calc" },
        "decision": if asked.allowed { "allow" } else { "deny" },
        "outcome": if asked.allowed { "success" } else { "denied" },
        "reasons": if asked.allowed { json!(["use.low-risk"]) } else { json!([]) },
        "bundle": asked.bundle,
        "asked": {
            "principal": { "kind": "Agent", "id": ROBOT }, "action": "request_credential",
            "resource": { "kind": "Tool", "id": tool }, "entities": [agent, tool_entity],
        },
        "facts": {
            "clock": { "now": "2026-03-11T10:00:00Z",
                       "home": { "weekday": "wed", "time_ms": 39_600_000 }, "world": {} },
            "net": { "ip": "10.1.2.3", "zones": ["corp"], "country": null },
            "session": { "aal": 1, "age": 1000, "mfa_age": null, "reauth_age": null },
            "risk": "low", "token_scopes": ["agent:calc"],
            "particulars": {
                "shape": "credential", "approval": null,
                "usage": { "calls_last_minute": calls_last_minute, "calls_today": 1,
                           "cost_today_micros": 0, "failures_last_hour": 0, "calls_ever": 1 },
                "ask": { "scopes": scopes, "ttl_seconds": ttl_seconds },
            },
        },
    })
}

/// The starter bundle with these policies beside its own.
pub fn starter_and(policies: &str) -> Bundle {
    changed(|sources| sources.policies.push(SourceFile::new("policies", "90-own.cedar", policies)))
}

/// The starter bundle with this change.
pub fn changed(change: impl FnOnce(&mut Sources)) -> Bundle {
    let mut sources = Sources::starter();
    change(&mut sources);
    Bundle::tested_before(sources).unwrap()
}
