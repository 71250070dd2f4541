//! The sessions that were ended while their access tokens may still live.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use uuid::Uuid;

use super::TokenRules;
use crate::Result;
use crate::store::Database;

const SWEPT_MIN: usize = 1024;

/// Remembers an ended session for as long as a token that names it can live, and no longer.
/// Instants are microseconds since the epoch.
pub struct Revoked {
    ended: RwLock<Ended>,
    token_life: i64,
}

#[derive(Default)]
struct Ended {
    /// Until when each is to be remembered.
    until: HashMap<Uuid, i64>,
    /// How many there may be before those that are over are looked for.
    sweep_at: usize,
}

impl Revoked {
    fn new(rules: &TokenRules) -> Revoked {
        Revoked { ended: RwLock::default(), token_life: token_life(rules) }
    }

    /// Reads what was ended before this process began.
    pub async fn load(db: &dyn Database, rules: &TokenRules, now: i64) -> Result<Revoked> {
        let revoked = Revoked::new(rules);
        let rows = db
            .query(
                "SELECT id, revoked_at FROM sessions WHERE revoked_at > $1",
                vec![(now - revoked.token_life).into()],
            )
            .await?;
        for row in rows {
            revoked.add(row.uuid(0)?, row.int(1)?);
        }
        Ok(revoked)
    }

    pub fn contains(&self, session: Uuid) -> bool {
        self.ended.read().unwrap_or_else(PoisonError::into_inner).until.contains_key(&session)
    }

    /// Notes that `session` was ended at `now`.
    pub fn add(&self, session: Uuid, now: i64) {
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        if ended.until.len() >= ended.sweep_at {
            ended.until.retain(|_, until| *until > now);
            ended.sweep_at = SWEPT_MIN.max(2 * ended.until.len());
        }
        ended.until.insert(session, now.saturating_add(self.token_life));
    }
}

fn token_life(rules: &TokenRules) -> i64 {
    let longest: Duration = rules.access_ttl.max(rules.elevated_ttl);
    i64::try_from(longest.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revoked() -> Revoked {
        Revoked::new(&TokenRules {
            issuer: String::new(),
            audience: String::new(),
            mcp_audience: String::new(),
            access_ttl: Duration::from_secs(900),
            refresh_ttl: Duration::from_secs(86_400),
            elevated_ttl: Duration::from_secs(300),
            server: Default::default(),
            bootstrap_token: None,
        })
    }

    #[test]
    fn a_session_is_remembered_while_its_tokens_may_live() {
        let (revoked, first) = (revoked(), Uuid::from_u128(1));
        revoked.add(first, 0);
        for n in 2..2 * SWEPT_MIN as u128 {
            revoked.add(Uuid::from_u128(n), 899_999_999);
        }
        assert!(revoked.contains(first));
        assert!(!revoked.contains(Uuid::from_u128(0)));
    }

    #[test]
    fn what_is_remembered_stays_bounded() {
        let revoked = revoked();
        for n in 0..100_000u128 {
            revoked.add(Uuid::from_u128(n), n as i64 * 1_000_000);
        }
        assert!(revoked.ended.read().unwrap().until.len() <= 2 * SWEPT_MIN);
        assert!(revoked.contains(Uuid::from_u128(99_999)));
    }
}
