//! What a tool reports while it works, on its way to the client that asked for it.

use std::time::Duration;

use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RoleServer};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Reports that may wait; later ones are dropped, since the next one replaces them.
const WAITING_MAX: usize = 16;

/// Passes reports on, for as long as the call lasts.
pub struct Reports {
    sink: mpsc::Sender<ProgressNotificationParam>,
    passing: JoinHandle<()>,
}

impl Reports {
    /// To the client that gave this token.
    pub fn to(peer: Peer<RoleServer>, token: ProgressToken) -> Reports {
        let (sink, reports) = mpsc::channel(WAITING_MAX);
        Reports { sink, passing: tokio::spawn(pass(reports, peer, token)) }
    }

    pub fn sink(&self) -> mpsc::Sender<ProgressNotificationParam> {
        self.sink.clone()
    }

    /// Waits, but not for long, until what was reported has left: the answer comes after it.
    pub async fn end(self, time_max: Duration) {
        let Reports { sink, mut passing } = self;
        drop(sink);
        if timeout(time_max, &mut passing).await.is_err() {
            passing.abort();
        }
    }
}

async fn pass(
    mut reports: mpsc::Receiver<ProgressNotificationParam>,
    peer: Peer<RoleServer>,
    token: ProgressToken,
) {
    let mut reached = f64::NEG_INFINITY;
    while let Some(mut report) = reports.recv().await {
        // What does not go on is no progress, whatever the tool says.
        if report.progress <= reached || !report.progress.is_finite() {
            continue;
        }
        reached = report.progress;
        report.progress_token = token.clone();
        if peer.notify_progress(report).await.is_err() {
            return;
        }
    }
}
