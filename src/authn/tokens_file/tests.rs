use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{NoTokens, TokensFile};
use crate::clock::Clock;
use crate::watch::Pace;

const A: &str = "q7VdK2mXw9Rt4LzB8nYc3HsJ6PfG1aEu";
const B: &str = "f3a91c07d52be846907bc1e8fd243a65";
const PACE: Pace = Pace { quiet: Duration::from_millis(5), look: Duration::from_millis(100) };

fn open(path: &Path) -> Result<TokensFile, NoTokens> {
    TokensFile::open(path, Some("agent:ci".parse().unwrap()), Clock::system())
}

fn knows(file: &TokensFile, token: &str) -> bool {
    file.recognise(&token.into()).is_some()
}

/// Whether the file knows `token` in the end.
fn until(file: &TokensFile, token: &str, known: bool) {
    let begun = Instant::now();
    while knows(file, token) != known {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_added_is_good_and_what_is_taken_out_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    fs::write(&path, A).unwrap();
    let file = Arc::new(open(&path).unwrap());
    let read_at = file.recognise(&A.into()).unwrap().read_at;
    assert!(!knows(&file, B));
    let _watch = file.clone().watch(PACE).unwrap();
    fs::write(&path, format!("{A}\n{B}\n")).unwrap();
    until(&file, B, true);
    assert_eq!(file.recognise(&A.into()).unwrap().read_at, read_at, "a line that stayed");
    // As editors save: another file in its place.
    fs::write(folder.path().join("new"), B).unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    until(&file, A, false);
    assert!(knows(&file, B));
}

#[test]
fn a_file_that_breaks_or_goes_closes_the_door_until_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    fs::write(&path, A).unwrap();
    let file = Arc::new(open(&path).unwrap());
    let _watch = file.clone().watch(PACE).unwrap();
    fs::write(&path, format!("{A}\nweak\n")).unwrap();
    until(&file, A, false);
    fs::write(&path, A).unwrap();
    until(&file, A, true);
    fs::remove_file(&path).unwrap();
    until(&file, A, false);
    fs::write(&path, A).unwrap();
    until(&file, A, true);
    fs::write(&path, "# all gone\n").unwrap();
    until(&file, A, false);
    assert_eq!(file.count(), 0);
}

#[test]
fn a_file_that_cannot_be_trusted_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    assert!(matches!(open(&path).err(), Some(NoTokens::Unreadable { .. })), "missing");
    fs::write(&path, "weak\n").unwrap();
    let error = open(&path).err().unwrap().to_string();
    assert!(error.contains("line 1: the token is shorter") && !error.contains("weak"), "{error}");
    fs::write(&path, A).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let error = open(&path).err().unwrap().to_string();
    assert!(error.contains("everybody on this machine may write it"), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, vec![b'#'; 3 * 1024 * 1024]).unwrap();
    assert!(matches!(open(&path).err(), Some(NoTokens::Unreadable { .. })), "too large");
    fs::write(&path, b"\xff\xfe").unwrap();
    assert!(matches!(open(&path).err(), Some(NoTokens::Unreadable { .. })), "not text");
}
