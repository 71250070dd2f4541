//! The circumstances of a request: where it comes from, how well its caller is proven, how risky
//! it is.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::Result;
use cedar_policy::RestrictedExpression;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::express::{entities, ip, milliseconds, text};
use crate::authz::uid::Kind;

/// Where a request comes from, as far as this process can trust it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NetFacts {
    ip: IpAddr,
    /// The named networks that the address is in (`corp`, `vpn`, `tor`, `blocked`).
    pub zones: BTreeSet<String>,
    /// ISO 3166 alpha-2, upper case; absent when unknown, which counts as outside every country.
    pub country: Option<String>,
}

impl NetFacts {
    /// `ip` is the caller's own address, already taken out of trusted proxy headers. A v4-mapped
    /// v6 address is unwrapped: a policy about 66.249.0.0/16 is not passed by way of ::ffff:.
    pub fn new(ip: IpAddr, zones: BTreeSet<String>, country: Option<String>) -> NetFacts {
        NetFacts { ip: ip.to_canonical(), zones, country }
    }

    /// The caller's address, never v4-mapped.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    pub(super) fn expression(&self) -> Result<RestrictedExpression> {
        let mut fields = vec![
            ("ip".to_owned(), ip(self.ip)),
            ("zones".to_owned(), entities(Kind::NetZone, &self.zones)),
        ];
        if let Some(country) = &self.country {
            fields.push(("country".to_owned(), text(country)));
        }
        Ok(RestrictedExpression::new_record(fields)?)
    }
}

/// How well the caller has proven who it is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SessionFacts {
    /// NIST SP 800-63B assurance level, 1 to 3.
    pub aal: u8,
    /// Since the session began.
    pub age: Age,
    /// Since a second factor was last proven; absent when it never was.
    pub mfa_age: Option<Age>,
    /// Since the password (and the second factor, where one is enrolled) was proven again.
    pub reauth_age: Option<Age>,
    /// Whether the token was given to an OAuth client that acts for the user.
    #[serde(default)]
    pub by_client: bool,
}

impl SessionFacts {
    pub(super) fn expression(&self) -> Result<RestrictedExpression> {
        let mut fields = vec![
            ("aal".to_owned(), RestrictedExpression::new_long(i64::from(self.aal))),
            ("age".to_owned(), milliseconds(self.age.as_millis())),
            ("by_client".to_owned(), RestrictedExpression::new_bool(self.by_client)),
        ];
        if let Some(age) = self.mfa_age {
            fields.push(("mfa_age".to_owned(), milliseconds(age.as_millis())));
        }
        if let Some(age) = self.reauth_age {
            fields.push(("reauth_age".to_owned(), milliseconds(age.as_millis())));
        }
        Ok(RestrictedExpression::new_record(fields)?)
    }
}

/// How long ago something was, in milliseconds; never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Age(u64);

impl Age {
    pub const ZERO: Age = Age(0);

    pub const fn from_millis(ms: u64) -> Age {
        Age(ms)
    }

    /// From `then` to `now`. None when `then` lies ahead, as it may after the clock was set back:
    /// a proof from the future proves nothing, least of all that it is fresh.
    pub fn between(then: Timestamp, now: Timestamp) -> Option<Age> {
        let ms = now.as_millisecond().checked_sub(then.as_millisecond())?;
        u64::try_from(ms).ok().map(Age)
    }

    pub const fn as_millis(self) -> u64 {
        self.0
    }
}

/// How risky a request, or how dangerous a tool, is rated.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    Low,
    Medium,
    High,
    Critical,
}

impl Risk {
    /// The id of the schema's `RiskLevel`.
    pub fn as_str(self) -> &'static str {
        match self {
            Risk::Low => "low",
            Risk::Medium => "medium",
            Risk::High => "high",
            Risk::Critical => "critical",
        }
    }
}
