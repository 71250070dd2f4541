//! A policy directory of one server's own.

use std::fs;
use std::path::{Path, PathBuf};

use super::Setup;

const FOLDER: &str = "policies";

/// Gives the server a copy of the repository's policies, without their decision table: a test that
/// changes a rule would break the rows about it.
pub fn own(setup: Setup) -> Setup {
    let to = folder(setup.folder.path());
    fs::create_dir(&to).unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
    setup.with("policy.dir", to.to_str().unwrap())
}

/// Where [`own`] put the policies of the server that runs in `place`.
pub fn folder(place: &Path) -> PathBuf {
    place.join(FOLDER)
}

/// Leaves `text` as the only policy file.
pub fn replace(place: &Path, text: &str) {
    let folder = folder(place);
    for entry in fs::read_dir(&folder).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    fs::write(folder.join("only.cedar"), text).unwrap();
}

/// Puts one file beside the others, or in place of the one of that name.
pub fn put(place: &Path, name: &str, text: &str) {
    fs::write(folder(place).join(name), text).unwrap();
}

/// Takes one file away.
pub fn take(place: &Path, name: &str) {
    fs::remove_file(folder(place).join(name)).unwrap();
}
