//! Watching a bundle's directories: a good edit becomes the next bundle, a broken one changes
//! nothing but the alarm.

use std::path::Path;
use std::sync::Arc;

use notify::RecursiveMode;

use super::bundle::Bundle;
use super::fault::Fault;
use super::landscape::Landscape;
use super::load::Sources;
use crate::watch::{Pace, Watch};

/// Watches the directories that `active` was loaded from. `landscape` tells what policies may speak
/// of at the time. `changed` gets every bundle that
/// differs from the one before and passed every check; `broken` gets the faults of one that
/// did not, once for each edit. Both are called on the watch's own thread.
///
/// # Errors
/// The operating system refuses to watch, or to start a thread.
pub fn watch(
    schema_dir: &Path,
    policy_dir: &Path,
    active: &Bundle,
    pace: Pace,
    landscape: impl Fn() -> Arc<dyn Landscape> + Send + 'static,
    changed: impl Fn(Arc<Bundle>) + Send + 'static,
    broken: impl Fn(Vec<Fault>) + Send + 'static,
) -> notify::Result<Watch> {
    let directories = [schema_dir, policy_dir].map(|it| (it, RecursiveMode::Recursive));
    let [schemas, policies] = [schema_dir.to_owned(), policy_dir.to_owned()];
    // What was read last, be it good or not; and the digest of the last good bundle.
    let mut seen = Ok(active.sources().clone());
    let mut digest = active.digest().to_owned();
    Watch::start("policy-watch", &directories, pace, move || {
        let read = Sources::read(&schemas, &policies);
        if read == seen {
            return;
        }
        seen.clone_from(&read);
        match read.and_then(|it| Bundle::surveyed(it, landscape())) {
            Ok(bundle) if bundle.digest() == digest => {}
            Ok(bundle) => {
                bundle.digest().clone_into(&mut digest);
                changed(Arc::new(bundle));
            }
            Err(faults) => broken(faults),
        }
    })
}
