//! A server under load: a process of its own, watched from outside.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::pin::Camps;

const START_TIME_MAX: Duration = Duration::from_secs(60);

/// A running server, killed when dropped.
pub struct Process {
    pub address: SocketAddr,
    /// From its start until it said that it serves.
    pub start: Duration,
    child: Child,
}

impl Process {
    /// Starts `command` and waits until `serving` finds its address in what it says, which goes
    /// to the file `said`.
    pub fn start(
        camps: &Camps,
        mut command: Command,
        said: &Path,
        serving: fn(&str) -> Option<SocketAddr>,
    ) -> Process {
        let file = fs::File::create(said).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let started = Instant::now();
        let mut child = camps.among_servers(|| command.spawn().unwrap());
        loop {
            let text = fs::read_to_string(said).unwrap();
            if let Some(address) = text.lines().find_map(serving) {
                return Process { address, start: started.elapsed(), child };
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended:\n{text}");
            assert!(started.elapsed() < START_TIME_MAX, "the server does not serve:\n{text}");
            std::thread::park_timeout(Duration::from_micros(500));
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time so far, in user mode and in the kernel, in microseconds (proc(5), `stat`).
    pub fn cpu_micros(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The second field is the name in brackets; what follows has no spaces in it.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: f64 = [11, 12].iter().map(|it| fields[*it].parse::<f64>().unwrap()).sum();
        ticks * 1e6 / rustix::param::clock_ticks_per_second() as f64
    }

    /// Resident memory in MiB (proc(5), `status`).
    pub fn resident_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is as good as killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
