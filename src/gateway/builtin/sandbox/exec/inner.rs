//! The second process: sets up every layer, sees that it stands, and becomes the interpreter.

use std::convert::Infallible;
use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::prctl::{get_pdeathsig, set_pdeathsig};
use nix::sys::signal::Signal;
use nix::unistd::dup2_stdin;

use super::super::wire::{Layer, OrRefuse as _, Refusal, Report, ensure};
use super::{Becomes, Control, calls, descriptors, landlock, limits, namespaces, privileges, root};

/// For the C library, which would otherwise set room aside for each thread, and the limit of memory
/// counts that.
const ONE_ARENA: (&str, &str) = ("MALLOC_ARENA_MAX", "1");

/// Sets everything up and becomes the interpreter.
pub fn run(parent: u32, control: &mut Control) -> Becomes {
    descriptors::close_others(control.0.as_raw_fd())?;
    end_with(parent)?;
    let job = control.job()?;
    namespaces::check(&job.outside)?;
    limits::stand_back()?;
    root::build(&job)?;
    let nothing = File::open(root::NOTHING).or_refuse(Layer::Root, "opening /dev/null")?;
    let mut python = Command::new(&job.view.executable);
    // Isolated: no variables, no packages of users, no folder of the script in the path.
    python.args(["-I", "-B", "-X", "utf8", root::CODE]).current_dir(root::SCRATCH);
    python.env_clear().env(ONE_ARENA.0, ONE_ARENA.1);
    let filter = calls::filter()?;
    limits::set(&job.limits)?;
    privileges::give_up()?;
    landlock::restrict(&job.view)?;
    ensure(Layer::Launch, ends_with_parent(), "it would outlive the first process")?;
    calls::restrict(&filter)?;
    limits::check(&job.limits)?;
    probe()?;
    dup2_stdin(&nothing).or_refuse(Layer::Descriptors, "emptying standard input")?;
    drop((nothing, filter));
    control.report(&Report::Ready).or_refuse(Layer::Launch, "telling the server")?;
    Err::<Infallible, _>(python.exec()).or_refuse(Layer::Interpreter, "running it")
}

/// Dies with the first process, whichever way that one ends.
fn end_with(parent: u32) -> Result<(), Refusal> {
    set_pdeathsig(Signal::SIGKILL).or_refuse(Layer::Launch, "asking to end with the first")?;
    // It may have ended before that.
    let status = fs::read_to_string("/proc/self/status");
    let status = status.or_refuse(Layer::Launch, "reading /proc/self/status")?;
    let now = status.lines().find_map(|it| it.strip_prefix("PPid:")).map(str::trim);
    ensure(Layer::Launch, now == Some(&parent.to_string()), "the first process is gone")
}

fn ends_with_parent() -> bool {
    get_pdeathsig() == Ok(Some(Signal::SIGKILL))
}

/// Tries what must not work any more.
pub fn probe() -> Result<(), Refusal> {
    let refused = |it: std::io::Error| it.raw_os_error();
    let listed = fs::read_dir("/").map(drop).map_err(refused);
    ensure(Layer::Landlock, listed == Err(Some(nix::libc::EACCES)), "`/` can be listed")?;
    let sockets = [
        UnixDatagram::unbound().map(drop).map_err(refused),
        UdpSocket::bind("127.0.0.1:0").map(drop).map_err(refused),
        TcpListener::bind("127.0.0.1:0").map(drop).map_err(refused),
    ];
    let none = sockets.iter().all(|it| *it == Err(Some(nix::libc::EPERM)));
    ensure(Layer::Seccomp, none, "sockets can be made")
}
