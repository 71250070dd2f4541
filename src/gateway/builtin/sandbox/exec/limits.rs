//! What one process may use, by the kernel's limits.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::super::wire::{Layer, Limits, OrRefuse as _, Refusal, ensure};

const OF: Layer = Layer::Limits;
const STACK_BYTES: u64 = 8 << 20;
const DESCRIPTORS: u64 = 64;
/// Threads, since the filter allows no other process.
const THREADS: u64 = 32;

fn all(limits: &Limits) -> [(Resource, u64); 12] {
    [
        (Resource::RLIMIT_CPU, limits.seconds),
        (Resource::RLIMIT_FSIZE, limits.scratch_bytes),
        (Resource::RLIMIT_NPROC, THREADS),
        (Resource::RLIMIT_NOFILE, DESCRIPTORS),
        (Resource::RLIMIT_STACK, STACK_BYTES),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_MEMLOCK, 0),
        (Resource::RLIMIT_MSGQUEUE, 0),
        (Resource::RLIMIT_SIGPENDING, DESCRIPTORS),
        (Resource::RLIMIT_RTPRIO, 0),
        (Resource::RLIMIT_NICE, 0),
        // The last, since from here on this program itself can hardly grow.
        (Resource::RLIMIT_AS, limits.memory_bytes),
    ]
}

/// Sets every limit, so that it cannot be raised again.
pub fn set(limits: &Limits) -> Result<(), Refusal> {
    for (what, most) in all(limits) {
        // The host may allow less.
        let (_, hard) = getrlimit(what).or_refuse(OF, &format!("reading {what:?}"))?;
        let most = most.min(hard);
        setrlimit(what, most, most).or_refuse(OF, &format!("setting {what:?}"))?;
    }
    Ok(())
}

/// Sees that every limit holds.
pub fn check(limits: &Limits) -> Result<(), Refusal> {
    for (what, most) in all(limits) {
        let holds = getrlimit(what).is_ok_and(|(soft, hard)| soft <= most && hard <= most);
        ensure(OF, holds, &format!("{what:?} does not hold"))?;
    }
    Ok(())
}
