//! What one process may use, by the kernel's limits.

use std::fs;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::process::setpriority_process;

use super::super::wire::{Layer, Limits, OrRefuse as _, Refusal, ensure};

const OF: Layer = Layer::Limits;
const STACK_BYTES: u64 = 8 << 20;
const DESCRIPTORS: u64 = 64;
/// Threads, since the filter allows no other process.
const THREADS: u64 = 32;

/// Bytes. Too few for any dump; and the one number that also keeps the kernel from starting the
/// host's program for dumps, which 0 does not.
const NO_CORE: u64 = 1;
/// How far code stands back behind the server, from 0 to 19.
const NICE: i32 = 10;
/// The first to go when the host runs out of memory.
const EXPENDABLE: &str = "1000";

fn all(limits: &Limits) -> [(Resource, u64); 12] {
    [
        (Resource::RLIMIT_CPU, limits.seconds),
        (Resource::RLIMIT_FSIZE, limits.scratch_bytes),
        (Resource::RLIMIT_NPROC, THREADS),
        (Resource::RLIMIT_NOFILE, DESCRIPTORS),
        (Resource::RLIMIT_STACK, STACK_BYTES),
        (Resource::RLIMIT_CORE, NO_CORE),
        (Resource::RLIMIT_MEMLOCK, 0),
        (Resource::RLIMIT_MSGQUEUE, 0),
        (Resource::RLIMIT_SIGPENDING, DESCRIPTORS),
        (Resource::RLIMIT_RTPRIO, 0),
        (Resource::RLIMIT_NICE, 0),
        // The last, since from here on this program itself can hardly grow.
        (Resource::RLIMIT_AS, limits.memory_bytes),
    ]
}

/// Lets the host prefer everything else to this process.
pub fn stand_back() -> Result<(), Refusal> {
    fs::write("/proc/self/oom_score_adj", EXPENDABLE).or_refuse(OF, "writing oom_score_adj")?;
    setpriority_process(None, NICE).or_refuse(OF, "lowering the priority")
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
