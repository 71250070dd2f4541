//! What was used before, and what is asked for now.

use std::collections::BTreeSet;

use anyhow::Result;
use cedar_policy::RestrictedExpression;
use serde::{Deserialize, Serialize};

use super::express::{count, dollars, record, scopes, seconds};

/// The counters. All of them include the request being decided: it is reserved before it is
/// decided, so no two concurrent requests see the same count.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// Uses (calls and credentials) of this tool by this principal in the last 60 seconds.
    pub calls_last_minute: u64,
    /// The same, today.
    pub calls_today: u64,
    /// What this principal has spent today over all tools, in millionths of a US dollar.
    pub cost_today_micros: u64,
    /// Failed calls of this tool by this principal in the last hour.
    pub failures_last_hour: u64,
    /// Calls of this tool by this principal that were ever allowed, and this one.
    pub calls_ever: u64,
}

impl Usage {
    pub(super) fn expression(&self) -> Result<RestrictedExpression> {
        record([
            ("calls_last_minute", count(self.calls_last_minute)),
            ("calls_today", count(self.calls_today)),
            ("cost_today", dollars(self.cost_today_micros)),
            ("failures_last_hour", count(self.failures_last_hour)),
            ("calls_ever", count(self.calls_ever)),
        ])
    }
}

/// The credential that is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// The tool's own words.
    pub scopes: BTreeSet<String>,
    pub ttl_seconds: u64,
}

impl Ask {
    pub(super) fn expression(&self) -> Result<RestrictedExpression> {
        record([("scopes", scopes(&self.scopes)), ("ttl", seconds(self.ttl_seconds))])
    }
}
