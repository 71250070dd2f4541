//! Watching a bundle's directories: whoever decides by them is told what a change left there.

use std::path::Path;
use std::sync::Arc;

use notify::RecursiveMode;

use super::bundle::Bundle;
use super::bundles::Reading;
use super::fault::Fault;
use super::landscape::Landscape;
use super::load::Sources;
use crate::watch::{Pace, Watch};

/// Watches two directories in which `seen` was read before. `tell` gets what every change leaves
/// there: a bundle that passed every check, or what is wrong. It is called on the watch's own thread.
/// `landscape` tells what policies may speak of at the time.
///
/// # Errors
/// The operating system refuses to watch, or to start a thread.
pub fn watch(
    schema_dir: &Path,
    policy_dir: &Path,
    mut seen: Result<Sources, Vec<Fault>>,
    pace: Pace,
    landscape: impl Fn() -> Arc<dyn Landscape> + Send + 'static,
    tell: impl Fn(Reading) + Send + 'static,
) -> notify::Result<Watch> {
    // One that is not there yet tells nothing, and is looked for all the same.
    let there = [schema_dir, policy_dir].into_iter().filter(|it| it.is_dir());
    let directories: Vec<_> = there.map(|it| (it, RecursiveMode::Recursive)).collect();
    let [schemas, policies] = [schema_dir.to_owned(), policy_dir.to_owned()];
    Watch::start("policy-watch", &directories, pace, move || {
        let read = Sources::read(&schemas, &policies);
        if read != seen {
            seen.clone_from(&read);
            tell(read.and_then(|it| Bundle::surveyed(it, &*landscape())).map(Arc::new));
        }
    })
}
