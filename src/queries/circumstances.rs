//! What an enforcement point says of the circumstances of a request: `context`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value;

use crate::authz::Authz;
use crate::authz::facts::{Age, Facts, Risk};
use crate::policy::Bundle;

/// The words of `context` that have a meaning here, and say what is true of a request.
///
/// `time` (RFC 3339), `ip`, `risk`, `assurance_level` (1 to 3), `session_age_seconds`,
/// `mfa_age_seconds`, `reauth_age_seconds`, and `scopes`, which the access token holds.
pub fn told(facts: &mut Facts, name: &str, value: &Value, by: (&Authz, &Bundle)) -> bool {
    read(facts, name, value, by).is_some()
}

fn read(
    facts: &mut Facts,
    name: &str,
    value: &Value,
    (authz, bundle): (&Authz, &Bundle),
) -> Option<()> {
    let session = &mut facts.session;
    match name {
        "time" => {
            let at: Timestamp = value.as_str()?.parse().ok()?;
            facts.clock = authz.clock_facts(at, bundle).ok()?;
        }
        "ip" => {
            let ip: IpAddr = value.as_str()?.parse().ok()?;
            facts.net = authz.net_facts(ip);
        }
        "risk" => facts.risk = serde_json::from_value::<Risk>(value.clone()).ok()?,
        "assurance_level" => {
            session.aal = u8::try_from(value.as_u64()?).ok().filter(|it| (1..=3).contains(it))?;
        }
        "session_age_seconds" => session.age = age(value)?,
        "mfa_age_seconds" => {
            session.mfa_age = Some(age(value)?);
            session.aal = session.aal.max(2);
        }
        "reauth_age_seconds" => session.reauth_age = Some(age(value)?),
        "scopes" => facts.token_scopes = words(value)?,
        _ => return None,
    }
    Some(())
}

fn age(value: &Value) -> Option<Age> {
    Some(Age::from_millis(value.as_u64()?.checked_mul(1000)?))
}

/// Words in an array, or in one text with spaces between them, as OAuth writes scopes.
pub fn words(value: &Value) -> Option<BTreeSet<String>> {
    match value {
        Value::String(it) => Some(it.split_whitespace().map(str::to_owned).collect()),
        Value::Array(all) => all.iter().map(|it| it.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}
