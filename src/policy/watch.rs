//! Watching a bundle's directories: a good edit becomes the next bundle, a broken one changes
//! nothing but the alarm.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::bundle::Bundle;
use super::fault::Fault;
use super::load::Sources;

/// How patiently to watch.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long nothing may happen before an edit counts as finished.
    pub quiet: Duration,
    /// How often to look without being told: a directory that was replaced, or a network file
    /// system, tells nothing.
    pub look: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { quiet: Duration::from_millis(100), look: Duration::from_secs(2) }
    }
}

/// A running watch; dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches the directories that `active` was loaded from. `changed` gets every bundle that
    /// differs from the one before and passed every check; `broken` gets the faults of one that
    /// did not, once for each edit. Both are called on the watch's own thread.
    ///
    /// # Errors
    /// The operating system refuses to watch, or to start a thread.
    pub fn start(
        schema_dir: &Path,
        policy_dir: &Path,
        active: &Bundle,
        pace: Pace,
        changed: impl Fn(Arc<Bundle>) + Send + 'static,
        broken: impl Fn(Vec<Fault>) + Send + 'static,
    ) -> notify::Result<Watch> {
        let (told, tidings) = mpsc::sync_channel(1);
        // A full channel is a tiding already, and which file changed does not matter.
        let mut watcher = notify::recommended_watcher(move |_| {
            let _ = told.try_send(());
        })?;
        let directories = [schema_dir.to_owned(), policy_dir.to_owned()];
        for directory in &directories {
            watcher.watch(directory, RecursiveMode::Recursive)?;
        }
        let seen = Ok(active.sources().clone());
        let desk = Desk { directories, tidings, pace, seen, digest: active.digest().to_owned() };
        let thread = thread::Builder::new()
            .name("policy-watch".to_owned())
            .spawn(move || desk.work(changed, broken))
            .map_err(notify::Error::io)?;
        Ok(Watch { watcher: Some(watcher), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The channel closes with the watcher, and the thread ends with the channel.
        self.watcher = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Desk {
    directories: [PathBuf; 2],
    tidings: Receiver<()>,
    pace: Pace,
    /// What was read last, be it good or not.
    seen: Result<Sources, Vec<Fault>>,
    /// Of the last good bundle.
    digest: String,
}

impl Desk {
    fn work(mut self, changed: impl Fn(Arc<Bundle>), broken: impl Fn(Vec<Fault>)) {
        while self.wait() {
            let [schema_dir, policy_dir] = &self.directories;
            let read = Sources::read(schema_dir, policy_dir);
            if read == self.seen {
                continue;
            }
            self.seen.clone_from(&read);
            match read.and_then(Bundle::from_sources) {
                Ok(bundle) if bundle.digest() == self.digest => {}
                Ok(bundle) => {
                    bundle.digest().clone_into(&mut self.digest);
                    changed(Arc::new(bundle));
                }
                Err(faults) => broken(faults),
            }
        }
    }

    /// Until it is time to look; false when nobody watches any more.
    fn wait(&self) -> bool {
        match self.tidings.recv_timeout(self.pace.look) {
            Ok(()) => self.settle(),
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    /// An edit is several events: waits until they stop, but not for ever.
    fn settle(&self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < self.pace.look {
            match self.tidings.recv_timeout(self.pace.quiet) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }
}
