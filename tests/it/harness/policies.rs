//! A policy directory of one server's own.

use std::fs;
use std::path::{Path, PathBuf};

use super::Setup;

const FOLDER: &str = "policies";
const TEMPLATES: &str = "templates";

/// Gives the server a copy of the repository's policies, without their decision table: a test that
/// changes a rule would break the rows about it.
pub fn own(setup: Setup) -> Setup {
    let to = folder(setup.folder.path());
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    for folder in ["", TEMPLATES] {
        fs::create_dir_all(to.join(folder)).unwrap();
        for entry in fs::read_dir(from.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, to.join(folder).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    setup.with("policy.dir", to.to_str().unwrap())
}

/// Where [`own`] put the policies of the server that runs in `place`.
pub fn folder(place: &Path) -> PathBuf {
    place.join(FOLDER)
}

/// Leaves `text` as the only policy file, beside the templates: without theirs no grant can be applied.
pub fn replace(place: &Path, text: &str) {
    let folder = folder(place);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::remove_file(path).unwrap();
        }
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
