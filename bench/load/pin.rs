//! Keeps servers and load generator off each other's cores, as far as there are cores.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores of this machine, in two camps.
pub struct Camps {
    servers: CpuSet,
    generator: CpuSet,
}

impl Camps {
    /// Parts the cores in two and moves this process to the generator's. One core is shared.
    pub fn pitch() -> Camps {
        let all = sched_getaffinity(None).unwrap();
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|it| all.is_set(*it)).collect();
        let half = cores.len().div_ceil(2);
        let camps = Camps {
            servers: set(&cores[..half]),
            generator: set(if half < cores.len() { &cores[half..] } else { &cores }),
        };
        sched_setaffinity(None, &camps.generator).unwrap();
        camps
    }

    /// Runs `start` on the servers' cores, where the processes that it spawns remain.
    pub fn among_servers<T>(&self, start: impl FnOnce() -> T) -> T {
        sched_setaffinity(None, &self.servers).unwrap();
        let started = start();
        sched_setaffinity(None, &self.generator).unwrap();
        started
    }

    /// How many cores each camp has: servers, generator.
    pub fn sizes(&self) -> (u32, u32) {
        (self.servers.count(), self.generator.count())
    }
}

fn set(cores: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    cores.iter().for_each(|it| set.set(*it));
    set
}
