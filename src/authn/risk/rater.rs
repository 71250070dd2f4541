//! Rates sign-ins as they come, and makes them known.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::history::{self, History};
use super::sighting::{Agent, Network, Sighting};
use super::{Rating, Reason, Vouched, rate};
use crate::Result;
use crate::audit::entry::Origin;
use crate::authz::facts::Risk;
use crate::clock::{Clock, instant};
use crate::directory::Principal;
use crate::net::places::Places;
use crate::store::{Database, Statement};

/// Rates each sign-in by its principal's own history.
pub struct Rater {
    pub db: Arc<dyn Database>,
    pub clock: Clock,
    /// The zone in which the hours of the day are counted.
    pub home: TimeZone,
    pub places: Arc<Places>,
    /// Networks from which nobody signs in.
    pub blocked: Vec<IpNet>,
    /// For how long a context is known after its last sign-in.
    pub known_for: Duration,
}

/// A rated sign-in.
#[derive(Clone, Debug)]
pub struct Rated {
    pub rating: Rating,
    principal: Uuid,
    seen: Sighting,
}

impl Rater {
    /// Rates a sign-in of `principal`, who has proven who it is, from `origin`. Nothing is
    /// remembered by that: [`Rated::remember`] is for when it was let in.
    ///
    /// # Errors
    /// The store does not tell the history.
    pub async fn rate(&self, principal: &Principal, origin: &Origin) -> Result<Rated> {
        let seen = self.see(principal, origin);
        let known_for = i64::try_from(self.known_for.as_micros()).unwrap_or(i64::MAX);
        let since = seen.at.saturating_sub(known_for);
        let of = (principal.kind(), principal.id());
        let history = History::load(&*self.db, of, since, &self.places).await?;
        let rating = rate(&seen, &history);
        Ok(Rated { rating, principal: principal.id(), seen })
    }

    fn see(&self, principal: &Principal, origin: &Origin) -> Sighting {
        let (at, address) = (self.clock.micros(), origin.ip.to_canonical());
        let hour = instant(at).to_zoned(self.home.clone()).hour();
        Sighting {
            kind: principal.kind(),
            network: Network::of(address),
            agent: Agent::of(&origin.user_agent),
            place: self.places.find(address),
            blocked: self.blocked.iter().any(|it| it.contains(&address)),
            hour: hour.into(),
            at,
        }
    }
}

impl Rated {
    /// What makes this sign-in's context known, for the commit that lets its principal in: all
    /// of it or, where another first use came first, a conflict. Nothing where the context is new
    /// and nobody vouched for it: whoever stole a secret must not become known by using it twice.
    pub fn remember(&self, vouched: Vouched) -> Vec<Statement> {
        match (self.rating.risk, vouched) {
            (Risk::Low, _) | (Risk::Medium, Vouched::Now) => {}
            _ => return Vec::new(),
        }
        let mut statements = history::remember(self.principal, &self.seen);
        if self.rating.reasons.contains(&Reason::FirstUse) && vouched == Vouched::Not {
            statements.push(history::expect_first(self.principal));
        }
        statements
    }
}
