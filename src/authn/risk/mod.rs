//! How risky a sign-in is, judged by where and with what its principal signed in before.
//!
//! What a rating means for whoever is rated is policy; here it is only found out.

mod history;
mod rater;
mod sighting;
#[cfg(test)]
mod tests;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::history::{Context, History};
use self::sighting::Sighting;
use super::Proof;
use crate::authz::facts::Risk;
use crate::directory::Kind;

pub use self::history::trust_first_use;
pub use self::rater::{Rated, Rater};

/// Farther than this no position in a GeoIP file is wrong by accident.
const TRAVEL_KM_MIN: f64 = 500.0;
/// Faster than this nobody travels: an airliner makes 900.
const TRAVEL_KM_PER_HOUR_MAX: f64 = 1000.0;
const MICROS_PER_HOUR: f64 = 3_600_000_000.0;
/// With fewer sign-ins there is no telling which hours are usual.
const USUAL_SIGN_INS_MIN: i64 = 20;
/// How far from a known hour a sign-in is still usual.
const USUAL_HOURS_AROUND: i64 = 3;
const HOURS_PER_DAY: i64 = 24;

/// How risky a sign-in is, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rating {
    #[schemars(with = "String")]
    pub risk: Risk,
    /// Never empty, the gravest first.
    pub reasons: Vec<Reason>,
}

impl fmt::Display for Rating {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons: Vec<&str> = self.reasons.iter().map(|it| it.as_str()).collect();
        write!(out, "risk {}: {}", self.risk.as_str(), reasons.join(", "))
    }
}

/// What a rating rests on.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RiskReason")]
pub enum Reason {
    /// Nobody signs in from this network.
    BlockedNetwork,
    /// The principal was too far away too short a time ago.
    ImpossibleTravel,
    /// No sign-in of the principal is known from this address (v6: from this /64).
    NewAddress,
    /// No sign-in of the principal is known with this user agent, whatever its version.
    NewUserAgent,
    /// The principal's sign-ins are known to come from other countries.
    NewCountry,
    /// The principal's many sign-ins were at other hours of the day.
    UnusualHour,
    /// Nothing is known yet, and the first use was said to be trusted.
    FirstUse,
    /// Everything is as before.
    Known,
}

impl Reason {
    /// What this reason alone rates a sign-in.
    pub fn risk(self) -> Risk {
        match self {
            Reason::BlockedNetwork | Reason::ImpossibleTravel => Risk::High,
            Reason::NewAddress
            | Reason::NewUserAgent
            | Reason::NewCountry
            | Reason::UnusualHour => Risk::Medium,
            Reason::FirstUse | Reason::Known => Risk::Low,
        }
    }

    /// Its word in answers, audit and figures.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::BlockedNetwork => "blocked_network",
            Reason::ImpossibleTravel => "impossible_travel",
            Reason::NewAddress => "new_address",
            Reason::NewUserAgent => "new_user_agent",
            Reason::NewCountry => "new_country",
            Reason::UnusualHour => "unusual_hour",
            Reason::FirstUse => "first_use",
            Reason::Known => "known",
        }
    }
}

/// What the very first sign-in of a principal counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstUse {
    /// It sets what is known: for machines, whose secret was handed over just now, and for people
    /// who were made on the host itself.
    Trusted,
    /// It is as new as any other.
    #[default]
    Unknown,
}

/// Whether something better than a secret speaks for a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// A second factor, or a machine's own key, proven for this very sign-in.
    Now,
    Not,
}

impl Vouched {
    /// What a proof says that was made for this very sign-in.
    pub fn by(proof: &Proof) -> Vouched {
        match proof.mfa_at.is_some() || proof.attested {
            true => Vouched::Now,
            false => Vouched::Not,
        }
    }
}

/// Rates a sign-in by its principal's own history.
fn rate(seen: &Sighting, history: &History) -> Rating {
    let mut reasons = Vec::new();
    if seen.blocked {
        reasons.push(Reason::BlockedNetwork);
    }
    if history.first_use == Some(FirstUse::Trusted) && !seen.blocked {
        reasons.push(Reason::FirstUse);
    } else {
        compare(seen, history, &mut reasons);
    }
    if reasons.is_empty() {
        reasons.push(Reason::Known);
    }
    reasons.sort_unstable();
    let risk = reasons.iter().map(|it| it.risk()).max().unwrap_or(Risk::High);
    Rating { risk, reasons }
}

/// Adds every way in which `seen` differs from what is known.
fn compare(seen: &Sighting, history: &History, reasons: &mut Vec<Reason>) {
    let known = &history.contexts;
    if !known.iter().any(|it| it.network == seen.network) {
        reasons.push(Reason::NewAddress);
        // Who comes back to a known address did not travel: a VPN was switched on or off.
        if known.iter().any(|it| is_out_of_reach(seen, it)) {
            reasons.push(Reason::ImpossibleTravel);
        }
    }
    if !known.iter().any(|it| it.agent == seen.agent) {
        reasons.push(Reason::NewUserAgent);
    }
    let mut countries = known.iter().filter_map(|it| it.place.country).peekable();
    if let Some(country) = seen.place.country
        && countries.peek().is_some()
        && !countries.any(|it| it == country)
    {
        reasons.push(Reason::NewCountry);
    }
    if is_unusual(seen.hour, &history.hours) {
        reasons.push(Reason::UnusualHour);
    }
}

/// Whether nobody could have come here from there in the time between. Machines do not travel:
/// one agent may well run in several places at once.
fn is_out_of_reach(seen: &Sighting, known: &Context) -> bool {
    let (Some(here), Some(there), Kind::User) =
        (seen.place.position, known.place.position, seen.kind)
    else {
        return false;
    };
    let distance = here.distance_km(there);
    // After the clock was set back, what is known lies ahead: no time has passed.
    let hours = seen.at.saturating_sub(known.last_at).max(0) as f64 / MICROS_PER_HOUR;
    distance > TRAVEL_KM_MIN && distance > hours * TRAVEL_KM_PER_HOUR_MAX
}

/// Whether enough hours are known, and all of them are far from this one.
fn is_unusual(hour: i64, known: &[(i64, i64)]) -> bool {
    let sign_ins: i64 = known.iter().map(|(_, times)| times).sum();
    let apart = |other: i64| {
        let forward = (hour - other).rem_euclid(HOURS_PER_DAY);
        forward.min(HOURS_PER_DAY - forward)
    };
    sign_ins >= USUAL_SIGN_INS_MIN
        && known.iter().all(|(other, _)| apart(*other) > USUAL_HOURS_AROUND)
}
