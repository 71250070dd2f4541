//! Watching files: whoever keeps something that was read from disk is told when to look again.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

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
    /// Watches `directories`, each as deep as it says, and calls `look` on a thread called `name`
    /// whenever something may have changed. Whether anything did is for `look` to find out.
    ///
    /// # Errors
    /// The operating system refuses to watch, or to start a thread.
    pub fn start(
        name: &str,
        directories: &[(&Path, RecursiveMode)],
        pace: Pace,
        mut look: impl FnMut() + Send + 'static,
    ) -> notify::Result<Watch> {
        let (told, tidings) = mpsc::sync_channel(1);
        // A full channel is a tiding already, and which file changed does not matter.
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |it| is_change(&it.kind)) {
                let _ = told.try_send(());
            }
        })?;
        for (directory, depth) in directories {
            watcher.watch(directory, *depth)?;
        }
        let desk = Desk { tidings, pace };
        let work = move || {
            while desk.wait() {
                look();
            }
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
        let thread = Some(thread.map_err(notify::Error::io)?);
        Ok(Watch { watcher: Some(watcher), thread })
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

/// Reading changes nothing: a look must not be the reason for the next one.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(it) => matches!(it, AccessKind::Close(AccessMode::Write)),
        _ => true,
    }
}

struct Desk {
    tidings: Receiver<()>,
    pace: Pace,
}

impl Desk {
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

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, ModifyKind, RemoveKind};

    use super::*;

    #[test]
    fn whatever_may_change_a_file_is_told_and_reading_it_is_not() {
        for kind in [
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Any),
            EventKind::Remove(RemoveKind::File),
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Any,
        ] {
            assert!(is_change(&kind), "{kind:?}");
        }
        for read in [AccessKind::Open(AccessMode::Any), AccessKind::Close(AccessMode::Read)] {
            assert!(!is_change(&EventKind::Access(read)), "{read:?}");
        }
    }
}
