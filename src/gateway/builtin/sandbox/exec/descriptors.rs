//! Open files: three of them, and no other.

use std::fs;
use std::os::fd::RawFd;

use nix::unistd::close;

use super::super::wire::{Layer, OrRefuse as _, Refusal, ensure};

const OF: Layer = Layer::Descriptors;
const STDERR: RawFd = 2;

/// Closes all but the standard streams and `kept`, which the server's other children never had,
/// but a library of its may have left open.
pub fn close_others(kept: RawFd) -> Result<(), Refusal> {
    for it in others(kept)? {
        // The one that listed the others is closed by now.
        let _: nix::Result<()> = close(it);
    }
    let left = others(kept)?;
    let open = left.iter().filter(|it| fs::read_link(format!("/proc/self/fd/{it}")).is_ok());
    ensure(OF, open.count() == 0, "some stay open")
}

fn others(kept: RawFd) -> Result<Vec<RawFd>, Refusal> {
    let listed = fs::read_dir("/proc/self/fd").or_refuse(OF, "listing them")?;
    let mut found = Vec::new();
    for entry in listed {
        let name = entry.or_refuse(OF, "listing them")?.file_name();
        let number: RawFd = name.to_string_lossy().parse().or_refuse(OF, "listing them")?;
        if number > STDERR && number != kept {
            found.push(number);
        }
    }
    Ok(found)
}
