//! What all exchanges of one conversation may take together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::failure::Failure;
use crate::clock::Clock;

/// What a probe or a call may take, from the first look-up to the last byte.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub time_max: Duration,
    /// Of all bodies that the server sends, together.
    pub bytes_max: usize,
    /// A server that lists more tools than this is not probed to the end.
    pub tools_max: usize,
}

pub(super) struct Budget {
    clock: Clock,
    end: Instant,
    bytes_left: AtomicUsize,
    limits: Limits,
}

impl Budget {
    pub fn start(clock: Clock, limits: Limits) -> Budget {
        let end = clock.monotonic() + limits.time_max;
        Budget { clock, end, bytes_left: AtomicUsize::new(limits.bytes_max), limits }
    }

    pub fn time_left(&self) -> Result<Duration, Failure> {
        let left = self.end.saturating_duration_since(self.clock.monotonic());
        if left.is_zero() { Err(self.timed_out()) } else { Ok(left) }
    }

    pub fn bytes_left(&self) -> usize {
        self.bytes_left.load(Ordering::Relaxed)
    }

    /// Takes what was read off the bytes that are left.
    pub fn spend(&self, bytes: usize) -> Result<(), Failure> {
        let left = self.bytes_left();
        self.bytes_left.store(left.saturating_sub(bytes), Ordering::Relaxed);
        if bytes > left { Err(self.too_large()) } else { Ok(()) }
    }

    pub fn timed_out(&self) -> Failure {
        Failure::TimedOut { time_max: self.limits.time_max }
    }

    pub fn too_large(&self) -> Failure {
        Failure::TooLarge { bytes_max: self.limits.bytes_max }
    }

    pub fn tools_max(&self) -> usize {
        self.limits.tools_max
    }
}
