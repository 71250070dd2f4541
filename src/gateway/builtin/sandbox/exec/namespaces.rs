//! Leaving the namespaces of the server, and seeing that they were left.

use std::fs;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, getegid, geteuid, getpid, sethostname, setsid};

use super::super::wire::{Layer, OrRefuse as _, Refusal, ensure};

const OF: Layer = Layer::Namespaces;

/// The namespaces that code must be alone in, as in `/proc/self/ns`.
pub const NAMES: [&str; 7] = ["user", "pid", "net", "mnt", "ipc", "uts", "cgroup"];

/// Who the code is, inside.
const INSIDE: u32 = 1000;

/// Leaves all of them. The namespace of process ids begins with the next child.
pub fn leave() -> Result<(), Refusal> {
    let (uid, gid) = (geteuid(), getegid());
    ensure(OF, !uid.is_root(), "would begin as root")?;
    let all = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    unshare(all).or_refuse(OF, "making them (does this host allow user namespaces?)")?;
    map(uid, gid)
}

/// Says which user outside the one inside is.
fn map(uid: Uid, gid: Gid) -> Result<(), Refusal> {
    for (file, line) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{INSIDE} {uid} 1")),
        ("gid_map", format!("{INSIDE} {gid} 1")),
    ] {
        let path = Path::new("/proc/self").join(file);
        fs::write(&path, line).or_refuse(OF, &format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Sees that this process is in none of the namespaces `outside`, is the first of its own, and
/// belongs to no group of processes that others are in: a signal to one's group crosses namespaces.
pub fn check(outside: &[String]) -> Result<(), Refusal> {
    for (name, theirs) in NAMES.iter().zip(outside) {
        let link = fs::read_link(Path::new("/proc/self/ns").join(name));
        let ours = link.or_refuse(OF, "reading /proc/self/ns")?;
        let left = ours != Path::new(theirs) && theirs.starts_with(name);
        ensure(OF, left, &format!("still in the server's {theirs}"))?;
    }
    ensure(OF, outside.len() == NAMES.len(), "some of the server's are not known")?;
    ensure(OF, getpid().as_raw() == 1, "not the first process of its own")?;
    ensure(OF, geteuid().as_raw() == INSIDE, "the user is not mapped")?;
    setsid().or_refuse(OF, "beginning a session")?;
    sethostname("sandbox").or_refuse(OF, "naming the host")
}
