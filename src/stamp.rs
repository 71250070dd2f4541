//! What tells one state of a file from another without reading it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Equal for a file that nobody has replaced or written to in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds of the last change, of content or of name.
    changed: (i64, i64),
}

impl Stamp {
    /// The file's stamp; none where there is no file to see.
    pub fn of(path: &Path) -> Option<Stamp> {
        let it = path.metadata().ok()?;
        Some(Stamp { inode: it.ino(), size: it.size(), changed: (it.ctime(), it.ctime_nsec()) })
    }
}
