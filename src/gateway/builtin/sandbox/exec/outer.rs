//! The first process: leaves the server's namespaces, starts the second, and waits for its end.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::super::wire::{Ended, Layer, OrRefuse as _, Refusal};
use super::{COMMAND, namespaces, privileges};

const OF: Layer = Layer::Launch;

/// Runs the rest of the sandbox to its end; kills it when the server goes away.
pub fn run() -> Result<Ended, Refusal> {
    namespaces::leave()?;
    privileges::hand_down()?;
    let mut inner = Command::new("/proc/self/exe");
    // The id that this `/proc` knows, which may be that of another namespace.
    let me = fs::read_link("/proc/self").or_refuse(OF, "reading /proc/self")?;
    let mut inner = inner
        .args([COMMAND, "inner"])
        .arg(me)
        .env_clear()
        .spawn()
        .or_refuse(OF, "starting the second process")?;
    let waited = wait(&mut inner);
    if waited.is_err() {
        // It may be gone already.
        let _: io::Result<()> = inner.kill();
    }
    ended(waited.or_refuse(OF, "waiting for the second process")?)
}

/// Waits until the child has ended, or the server has: it holds the other end of standard input,
/// and its going away is told without being asked for.
fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = id.ok_or_else(|| io::Error::other("it has no id"))?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let stdin = io::stdin();
    loop {
        let mut watched = [
            PollFd::new(process.as_fd(), PollFlags::POLLIN),
            PollFd::new(stdin.as_fd(), PollFlags::empty()),
        ];
        match poll(&mut watched, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            done => done?,
        };
        let [ended, server] = watched.map(|it| it.any().unwrap_or(true));
        if ended {
            return child.wait();
        }
        if server {
            return Err(io::Error::other("the server is gone"));
        }
    }
}

fn ended(status: ExitStatus) -> Result<Ended, Refusal> {
    if let Some(code) = status.code() {
        return Ok(Ended::Exited { code });
    }
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).or_refuse(OF, "reading its use")?;
    let cpu = (used.user_time() + used.system_time()).num_milliseconds();
    Ok(Ended::Signalled {
        signal: status.signal().unwrap_or_default(),
        cpu_ms: u64::try_from(cpu).unwrap_or_default(),
    })
}
