//! A policy directory of one server's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Gate, Setup};

const FOLDER: &str = "policies";
const TEMPLATES: &str = "templates";
const DEADLINE: Duration = Duration::from_secs(60);

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

/// Puts a file that is good, and waits until it decides.
pub async fn decide_by(gate: &Gate, name: &str, text: &str) {
    let before = said(gate, "these policies decide from now on");
    put(gate.folder.path(), name, text);
    taken_up(gate, "these policies decide from now on", before).await;
}

/// Waits until the server has said `what` once more than `before`.
pub async fn taken_up(gate: &Gate, what: &str, before: usize) {
    let started = Instant::now();
    while said(gate, what) <= before {
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain:\n{:?}", gate.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How often the server's log has said so.
pub fn said(gate: &Gate, what: &str) -> usize {
    gate.log().iter().filter(|it| it.contains(what)).count()
}
