use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::authz::uid::Kind;
use crate::policy::{self, Bundle, Fault, KnownTool, Landscape, STARTER_FILES, Sources};
use crate::watch::{Pace, Watch};

/// How long anything may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

const PACE: Pace = Pace { quiet: Duration::from_millis(20), look: Duration::from_millis(200) };

const ADDED: &str = "@id(\"ours.x\") @title(\"Nobody uses the abacus\") forbid (principal, action \
                     in Gatewright::Action::\"use\", resource == Gatewright::Tool::\"abacus\");";

struct Watched {
    directory: tempfile::TempDir,
    changed: Receiver<String>,
    broken: Receiver<Vec<Fault>>,
    digest: String,
    watch: Watch,
}

/// Where nobody has registered anything.
struct NoTools;

impl Landscape for NoTools {
    fn tool(&self, _: &str) -> Option<KnownTool> {
        None
    }

    fn tool_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn ids(&self, _: Kind) -> Option<BTreeSet<String>> {
        None
    }

    fn named(&self, _: Kind, _: &str) -> Option<String> {
        None
    }
}

fn write_starter(root: &Path) {
    for (path, text) in STARTER_FILES.iter().filter(|(path, _)| !path.contains("/tests/")) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn watched() -> Watched {
    let directory = tempfile::tempdir().unwrap();
    write_starter(directory.path());
    let (schemas, policies) = (directory.path().join("schemas"), directory.path().join("policies"));
    let bundle = Bundle::load(&schemas, &policies).unwrap();
    let (tell_changed, changed) = mpsc::channel();
    let (tell_broken, broken) = mpsc::channel();
    let watch = policy::watch(
        &schemas,
        &policies,
        Ok(bundle.sources().clone()),
        PACE,
        || Arc::new(super::registry::Registered),
        move |it| match it {
            Ok(it) => tell_changed.send(it.digest().to_owned()).unwrap(),
            Err(it) => tell_broken.send(it).unwrap(),
        },
    )
    .unwrap();
    let digest = bundle.digest().to_owned();
    Watched { directory, changed, broken, digest, watch }
}

#[test]
fn a_broken_edit_changes_nothing_and_a_good_one_the_bundle() {
    let it = watched();
    let file = it.directory.path().join("policies/90-ours.cedar");
    fs::write(&file, ADDED.replace("Tool::", "Tol::")).unwrap();
    let faults = it.broken.recv_timeout(DEADLINE).unwrap();
    assert!(faults[0].to_string().contains("90-ours.cedar"), "{faults:?}");
    assert!(it.changed.try_recv().is_err(), "a broken bundle came out");

    fs::write(&file, ADDED).unwrap();
    let digest = it.changed.recv_timeout(DEADLINE).unwrap();
    assert_ne!(digest, it.digest);
    let root = it.directory.path();
    let again = Bundle::load(&root.join("schemas"), &root.join("policies")).unwrap();
    assert_eq!(digest, again.digest());

    fs::remove_file(&file).unwrap();
    assert_eq!(it.changed.recv_timeout(DEADLINE).unwrap(), it.digest);
}

#[test]
fn a_rule_about_a_tool_is_told_once_the_tool_is_there() {
    let directory = tempfile::tempdir().unwrap();
    write_starter(directory.path());
    let (schemas, policies) = (directory.path().join("schemas"), directory.path().join("policies"));
    let about = "@id(\"ours.pay\") @title(\"Nobody pays\") forbid (principal, action == \
                 Gatewright::Action::\"call:pay\", resource);";
    fs::write(policies.join("90-ours.cedar"), about).unwrap();
    let read = Sources::read(&schemas, &policies).unwrap();
    let seen = Bundle::surveyed(read, &NoTools).map(|it| it.sources().clone());
    let faults = seen.clone().unwrap_err();
    assert!(faults[0].problem.contains("no registered tool `pay`"), "{faults:?}");
    let (surveyed, surveys) = mpsc::channel();
    let is_there = Arc::new(AtomicBool::new(false));
    let (tell, told) = mpsc::channel();
    let grown = is_there.clone();
    let landscape = move || -> Arc<dyn Landscape> {
        surveyed.send(()).unwrap();
        match grown.load(Ordering::SeqCst) {
            true => Arc::new(super::registry::Registered),
            false => Arc::new(NoTools),
        }
    };
    let tell = move |it: policy::bundles::Reading| tell.send(it.map(|_| ())).unwrap();
    let _watch = policy::watch(&schemas, &policies, seen, PACE, landscape, tell).unwrap();
    for _ in 0..3 {
        surveys.recv_timeout(DEADLINE).unwrap();
    }
    assert!(told.try_recv().is_err(), "what was told before is no news");
    is_there.store(true, Ordering::SeqCst);
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), Ok(()));
}

#[test]
fn a_directory_that_goes_is_a_fault_and_one_that_comes_is_read() {
    let it = watched();
    let policies = it.directory.path().join("policies");
    fs::rename(&policies, it.directory.path().join("old")).unwrap();
    let faults = it.broken.recv_timeout(DEADLINE).unwrap();
    assert!(faults[0].problem.contains("cannot be read"), "{faults:?}");

    fs::rename(it.directory.path().join("old"), it.directory.path().join("new")).unwrap();
    fs::write(it.directory.path().join("new/90-ours.cedar"), ADDED).unwrap();
    fs::rename(it.directory.path().join("new"), &policies).unwrap();
    assert_ne!(it.changed.recv_timeout(DEADLINE).unwrap(), it.digest);
}

#[test]
fn dropping_thewatch_ends_it() {
    let it = watched();
    let (changed, directory) = (it.changed, it.directory);
    drop(it.watch);
    fs::write(directory.path().join("policies/90-ours.cedar"), ADDED).unwrap();
    assert!(changed.recv().is_err(), "the callback outlived the watch");
}
