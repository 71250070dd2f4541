//! Writing for people: findings to standard output, complaints to standard error.

use std::io::{Write as _, stderr, stdout};

/// One line of findings. A reader that went away is no reason to fail.
pub fn say(text: &str) {
    let _ = writeln!(stdout().lock(), "{text}");
}

/// One complaint.
pub fn complain(text: &str) {
    let _ = writeln!(stderr().lock(), "gatewright: {text}");
}
