//! The signals that an operator sends.

use std::io;

use futures_util::future::select_all;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that ask a server to stop. From its making on none of them ends the process by itself,
/// so make it before anyone is told that the server is there.
pub struct Stop(Vec<Signal>);

impl Stop {
    pub fn on(kinds: &[SignalKind]) -> io::Result<Stop> {
        Ok(Stop(kinds.iter().map(|it| signal(*it)).collect::<io::Result<_>>()?))
    }

    /// Waits for one of them.
    pub async fn asked(mut self) {
        select_all(self.0.iter_mut().map(|it| Box::pin(it.recv()))).await;
    }
}

/// Lets signals pass that would end the process: files are watched, so there is nothing to reload.
pub fn ignore(kinds: &[SignalKind]) -> io::Result<()> {
    // The handler stays when the listener is dropped.
    kinds.iter().try_for_each(|it| signal(*it).map(drop))
}
