//! Watching a bundle's directories: whoever decides by them is told what a change left there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::RecursiveMode;

use super::bundle::Bundle;
use super::bundles::Reading;
use super::fault::{Fault, stand_alike};
use super::landscape::Landscape;
use super::load::Sources;
use crate::watch::{Pace, Watch};

/// How many looks there are between two tries at files that were refused, and lie there unchanged.
const AGAIN_EVERY: u32 = 2;

/// Watches two directories in which `seen` was read before. `tell` gets what every change leaves
/// there: a bundle that passed every check, or what is wrong. It is called on the watch's own thread.
/// `landscape` tells what policies may speak of at the time: what was wrong for want of something is
/// told again once it is right, or something else is wrong.
///
/// # Errors
/// The operating system refuses to watch, or to start a thread.
pub fn watch(
    schema_dir: &Path,
    policy_dir: &Path,
    seen: Result<Sources, Vec<Fault>>,
    pace: Pace,
    landscape: impl Fn() -> Arc<dyn Landscape> + Send + 'static,
    tell: impl Fn(Reading) + Send + 'static,
) -> notify::Result<Watch> {
    // One that is not there yet tells nothing, and is looked for all the same.
    let there = [schema_dir, policy_dir].into_iter().filter(|it| it.is_dir());
    let directories: Vec<_> = there.map(|it| (it, RecursiveMode::Recursive)).collect();
    let directories_read = [schema_dir.to_owned(), policy_dir.to_owned()];
    let refused = seen.as_ref().err().cloned();
    let mut desk = Desk { directories: directories_read, seen, refused, looks: 0 };
    Watch::start("policy-watch", &directories, pace, move || {
        if let Some(news) = desk.look(&landscape) {
            tell(news);
        }
    })
}

/// What is known of the directories.
struct Desk {
    directories: [PathBuf; 2],
    seen: Result<Sources, Vec<Fault>>,
    /// What was wrong with it when it was told of.
    refused: Option<Vec<Fault>>,
    /// Since it last changed.
    looks: u32,
}

impl Desk {
    fn look(&mut self, landscape: impl Fn() -> Arc<dyn Landscape>) -> Option<Reading> {
        let [schemas, policies] = &self.directories;
        let read = Sources::read(schemas, policies);
        let is_change = read != self.seen;
        if is_change {
            self.seen.clone_from(&read);
            self.looks = 0;
        } else {
            self.looks = self.looks.wrapping_add(1);
            // What cannot be read is what it is.
            if self.refused.is_none() || read.is_err() || !self.looks.is_multiple_of(AGAIN_EVERY) {
                return None;
            }
        }
        let reading = read.and_then(|it| Bundle::surveyed(it, &*landscape())).map(Arc::new);
        let before = std::mem::replace(&mut self.refused, reading.as_ref().err().cloned());
        let is_known = match (&before, &self.refused) {
            (Some(before), Some(now)) if is_change => before == now,
            (Some(before), Some(now)) => stand_alike(before, now),
            _ => false,
        };
        (!is_known).then_some(reading)
    }
}
