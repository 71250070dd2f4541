//! Going through the audit page by page, on a thread that may block, and no further than bounds
//! allow.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AtHand, Replay};
use crate::Result;
use crate::audit::past::{Past, Read};
use crate::clock::Clock;
use crate::policy::Bundle;

/// How far a look into the past goes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Decisions, newest first.
    pub decisions: usize,
    pub time: Duration,
}

/// What of a window was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// Entries of the audit, older than all that were looked at.
    pub entries: u64,
    pub by: Limit,
}

/// Which bound was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    Decisions,
    Time,
}

impl Limit {
    /// What was bounded.
    pub const fn told(self) -> &'static str {
        match self {
            Limit::Decisions => "number of decisions",
            Limit::Time => "time",
        }
    }
}

/// Something that is made of entries.
pub trait Gathering: Send + 'static {
    fn take(&mut self, entry: Read);

    /// How many decisions there were among them.
    fn decisions(&self) -> usize;
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { decisions: 20_000, time: Duration::from_secs(60) }
    }
}

impl Bounds {
    /// For whoever sits at the host and waits.
    pub fn of_host() -> Bounds {
        Bounds { decisions: 1_000_000, time: Duration::from_secs(30 * 60) }
    }
}

/// A replay under way.
pub struct Replaying {
    pub candidate: Arc<Bundle>,
    pub at_hand: Arc<AtHand>,
    pub so_far: Replay,
}

impl Replaying {
    pub fn new(candidate: Arc<Bundle>, at_hand: Arc<AtHand>) -> Replaying {
        Replaying { candidate, at_hand, so_far: Replay::default() }
    }
}

impl Gathering for Replaying {
    fn take(&mut self, entry: Read) {
        match entry {
            Ok(it) => self.so_far.take(&self.candidate, &self.at_hand, it),
            Err(_) => self.so_far.unreadable(),
        }
    }

    fn decisions(&self) -> usize {
        self.so_far.total
    }
}

/// Gathers from `past`, newest first, until it ends or a bound is reached.
///
/// # Errors
/// The store does not answer.
pub async fn gather<G: Gathering>(
    mut gathering: G,
    mut past: Past,
    bounds: Bounds,
    clock: &Clock,
) -> Result<(G, Option<LeftOut>)> {
    let started = clock.monotonic();
    loop {
        let by = match () {
            () if gathering.decisions() >= bounds.decisions => Limit::Decisions,
            () if started.elapsed() >= bounds.time => Limit::Time,
            () => {
                let Some(page) = past.next().await? else { return Ok((gathering, None)) };
                gathering = tokio::task::spawn_blocking(move || {
                    page.into_iter().for_each(|it| gathering.take(it));
                    gathering
                })
                .await
                .map_err(anyhow::Error::from)?;
                continue;
            }
        };
        let entries = past.rest().await?;
        return Ok((gathering, (entries > 0).then_some(LeftOut { entries, by })));
    }
}
