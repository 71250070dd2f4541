//! How often something may be tried, per address and per name.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use uuid::Uuid;

use super::Caller;
use crate::settings::{RateLimit, RateLimits};
use crate::{Error, Result};

/// Keys are forgotten once they are back to nothing used; this often they are looked through.
const SWEEP_EVERY: u32 = 1024;

pub struct SignInLimits {
    by_address: Limiter<IpAddr>,
    by_name: Limiter<String>,
}

impl SignInLimits {
    pub fn new(limits: &RateLimits) -> SignInLimits {
        SignInLimits {
            by_address: Limiter::new(limits.login_ip),
            by_name: Limiter::new(limits.login_username),
        }
    }

    /// Counts one try. An unknown name counts like a known one.
    pub fn admit(&self, address: IpAddr, name: &str) -> Result<()> {
        self.admit_address(address)?;
        self.admit_name(name)
    }

    /// Counts one try of a name alone, wherever it comes from.
    pub fn admit_name(&self, name: &str) -> Result<()> {
        let name: String = name.chars().take(128).flat_map(char::to_lowercase).collect();
        self.by_name.admit(&name)
    }

    /// Counts one try of an address alone, where no name is given.
    pub fn admit_address(&self, address: IpAddr) -> Result<()> {
        self.by_address.admit(&network(address))
    }
}

/// How often servers may be looked at because somebody asks for it.
pub struct ProbeLimits {
    by_address: Limiter<IpAddr>,
    by_user: Limiter<Uuid>,
}

impl ProbeLimits {
    pub fn new(limits: &RateLimits) -> ProbeLimits {
        ProbeLimits {
            by_address: Limiter::new(limits.probe_ip),
            by_user: Limiter::new(limits.probe_user),
        }
    }

    /// Counts one probe that this caller asks for.
    pub fn admit(&self, caller: &Caller) -> Result<()> {
        self.by_address.admit(&network(caller.origin().ip))?;
        self.by_user.admit(&caller.principal().id())
    }
}

/// One limit, counted for each key by itself.
struct Limiter<K: Clone + Eq + Hash> {
    keys: DefaultKeyedRateLimiter<K>,
    asked: AtomicU32,
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    fn new(limit: RateLimit) -> Limiter<K> {
        let burst = NonZeroU32::new(limit.times()).unwrap_or(NonZeroU32::MIN);
        let each = Duration::from_secs(limit.window_seconds().into()) / burst.get();
        let quota = Quota::with_period(each).unwrap_or(Quota::per_hour(NonZeroU32::MIN));
        Limiter { keys: RateLimiter::keyed(quota.allow_burst(burst)), asked: AtomicU32::new(0) }
    }

    fn admit(&self, key: &K) -> Result<()> {
        if self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP_EVERY) {
            self.keys.retain_recent();
        }
        self.keys.check_key(key).map_err(|until| {
            let left = until.wait_time_from(DefaultClock::default().now());
            Error::TooMany { retry_after_seconds: left.as_secs() + 1 }
        })
    }
}

/// A v6 host has a whole network to itself.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(it) => IpAddr::from((it.to_bits() >> 64 << 64).to_be_bytes()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_run_out_per_address_and_per_name() {
        let limits = RateLimits {
            login_ip: "3/minute".parse().unwrap(),
            login_username: "5/minute".parse().unwrap(),
            ..RateLimits::default()
        };
        let limits = SignInLimits::new(&limits);
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let tries = |address, name| (0..9).filter(|_| limits.admit(address, name).is_ok()).count();
        assert_eq!(tries(address(1), "alice"), 3);
        assert_eq!(tries(address(2), "ALICE"), 2, "the name has five, whatever its case");
        assert_eq!(tries(address(3), "bob"), 3);
    }
}
