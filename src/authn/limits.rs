//! How often sign-in may be tried, per address and per name.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::settings::RateLimits;
use crate::{Error, Result};

/// Keys are forgotten once they are back to nothing used; this often they are looked through.
const SWEEP_EVERY: u32 = 1024;

pub struct SignInLimits {
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    by_name: DefaultKeyedRateLimiter<String>,
    admitted: std::sync::atomic::AtomicU32,
}

impl SignInLimits {
    pub fn new(limits: &RateLimits) -> SignInLimits {
        let quota = |times: u32, seconds: u32| {
            let burst = NonZeroU32::new(times).unwrap_or(NonZeroU32::MIN);
            let each = Duration::from_secs(seconds.into()) / burst.get();
            Quota::with_period(each).unwrap_or(Quota::per_hour(NonZeroU32::MIN)).allow_burst(burst)
        };
        let of = |it: crate::settings::RateLimit| quota(it.times(), it.window_seconds());
        SignInLimits {
            by_address: RateLimiter::keyed(of(limits.login_ip)),
            by_name: RateLimiter::keyed(of(limits.login_username)),
            admitted: Default::default(),
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
        self.by_name.check_key(&name).map_err(|it| wait(&it))
    }

    /// Counts one try of an address alone, where no name is given.
    pub fn admit_address(&self, address: IpAddr) -> Result<()> {
        self.sweep();
        // A v6 host has a whole network to itself.
        let address = match address {
            IpAddr::V6(it) => IpAddr::from((it.to_bits() >> 64 << 64).to_be_bytes()),
            v4 => v4,
        };
        self.by_address.check_key(&address).map_err(|it| wait(&it))
    }

    fn sweep(&self) {
        let count = self.admitted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if count.is_multiple_of(SWEEP_EVERY) {
            self.by_address.retain_recent();
            self.by_name.retain_recent();
        }
    }
}

fn wait(until: &governor::NotUntil<governor::clock::QuantaInstant>) -> Error {
    let left = until.wait_time_from(DefaultClock::default().now());
    Error::TooMany { retry_after_seconds: left.as_secs() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_run_out_per_address_and_per_name() {
        let limits = RateLimits {
            login_ip: "3/minute".parse().unwrap(),
            login_username: "5/minute".parse().unwrap(),
        };
        let limits = SignInLimits::new(&limits);
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let tries = |address, name| (0..9).filter(|_| limits.admit(address, name).is_ok()).count();
        assert_eq!(tries(address(1), "alice"), 3);
        assert_eq!(tries(address(2), "ALICE"), 2, "the name has five, whatever its case");
        assert_eq!(tries(address(3), "bob"), 3);
    }
}
