//! The pulse of one connection: what it is doing, since when, and until when it may.
//!
//! Everything is judged from four facts (requests under way, bodies arriving, pieces of answers
//! not taken, the moment of the last change), so the rules are the same for HTTP/1 and HTTP/2 and
//! no byte sent now and then prolongs anything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Limits;

pub(super) struct Vitals {
    state: Mutex<State>,
    /// End well: finish what is under way, take nothing new.
    pub(super) finish: CancellationToken,
    /// End now: someone needs the place more.
    pub(super) evict: CancellationToken,
}

struct State {
    /// When a request last began, or the last one ended.
    since: Instant,
    /// Requests begun: also the key of the next one.
    begun: u64,
    serving: usize,
    arriving: usize,
    late: bool,
    /// By request: when its answer's last piece was handed to the connection, unless the
    /// connection has asked for more since.
    untaken: BTreeMap<u64, Instant>,
}

/// What to do about a connection, seen at one instant.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// Nothing can fall due before this instant.
    Until(Instant),
    /// Idle for too long: it should end well.
    Finish,
    /// It must be cut.
    Over(Cause),
}

/// Why a connection was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Header,
    Reply,
    Farewell,
}

impl Cause {
    pub(super) fn label(self) -> &'static str {
        match self {
            Cause::Header => "header",
            Cause::Reply => "reply",
            Cause::Farewell => "farewell",
        }
    }
}

/// How little a connection has to lose; the least goes first, and of equals the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// Has not made one request.
    Unproven(Instant),
    /// All it does is send bodies, and takes longer than an honest caller needs.
    Dribbling(Instant),
    /// Between two requests.
    Idle(Instant),
}

impl Claim {
    /// Whether the connection may just not have come round to its next request yet.
    pub(super) fn is_fresh(self, now: Instant, respite: Duration) -> bool {
        let (Claim::Unproven(since) | Claim::Dribbling(since) | Claim::Idle(since)) = self;
        now < since + respite
    }
}

impl Vitals {
    /// A connection that opens now; cancelling `shutdown` lets it finish.
    pub(super) fn new(shutdown: &CancellationToken) -> Arc<Vitals> {
        let state = State {
            since: Instant::now(),
            begun: 0,
            serving: 0,
            arriving: 0,
            late: false,
            untaken: BTreeMap::new(),
        };
        Arc::new(Vitals {
            state: Mutex::new(state),
            finish: shutdown.child_token(),
            evict: CancellationToken::new(),
        })
    }

    /// Starts the time for the first header, once a TLS handshake is over.
    pub(super) fn opened(&self) {
        self.state().since = Instant::now();
    }

    /// A request begins; it ends when the guard is dropped.
    pub(super) fn request(self: &Arc<Self>) -> Serving {
        let mut state = self.state();
        let key = state.begun;
        state.begun += 1;
        state.serving += 1;
        state.since = Instant::now();
        Serving { vitals: Arc::clone(self), key }
    }

    /// A request body begins to arrive; it has ended, or nobody reads on, when the guard is
    /// dropped.
    pub(super) fn body(self: &Arc<Self>) -> Arriving {
        self.state().arriving += 1;
        Arriving { vitals: Arc::clone(self) }
    }

    /// Judges the connection. `closing` is when it was told to end, if it was.
    pub(super) fn outlook(
        &self,
        now: Instant,
        closing: Option<Instant>,
        limits: &Limits,
    ) -> Outlook {
        let state = self.state();
        let mut next = now + limits.header.min(limits.idle).min(limits.reply);
        if let Some(oldest) = state.untaken.values().min() {
            let due = *oldest + limits.reply;
            if due <= now {
                return Outlook::Over(Cause::Reply);
            }
            next = next.min(due);
        }
        if state.serving == 0 {
            let (due, verdict) = state.quiet_until(closing, limits);
            if due <= now {
                return verdict;
            }
            next = next.min(due);
        }
        Outlook::Until(next)
    }

    /// How little this connection would lose by ending; none while a request is being served.
    pub(super) fn claim(&self, now: Instant, respite: Duration) -> Option<Claim> {
        let state = self.state();
        if state.serving == 0 && state.begun == 0 {
            Some(Claim::Unproven(state.since))
        } else if state.serving == 0 {
            Some(Claim::Idle(state.since))
        } else if state.serving == state.arriving && now >= state.since + respite {
            Some(Claim::Dribbling(state.since))
        } else {
            None
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How long it may go on without a request, and what comes then.
    fn quiet_until(&self, closing: Option<Instant>, limits: &Limits) -> (Instant, Outlook) {
        match closing {
            None if self.begun == 0 => (self.since + limits.header, Outlook::Over(Cause::Header)),
            None => (self.since + limits.idle, Outlook::Finish),
            // The end of an answer may still be on its way to an honest, slow reader.
            Some(at) if at < self.since && !self.late => {
                (self.since + limits.idle, Outlook::Over(Cause::Farewell))
            }
            Some(at) => (at.max(self.since) + limits.farewell, Outlook::Over(Cause::Farewell)),
        }
    }
}

/// One request under way: from the end of its header to the end of its answer.
pub(super) struct Serving {
    vitals: Arc<Vitals>,
    key: u64,
}

impl Serving {
    /// The connection took a piece of the answer and has to pass it on.
    pub(super) fn handed(&self) {
        self.vitals.state().untaken.insert(self.key, Instant::now());
    }

    /// The connection asks for more.
    pub(super) fn asked(&self) {
        self.vitals.state().untaken.remove(&self.key);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let mut state = self.vitals.state();
        state.untaken.remove(&self.key);
        state.serving -= 1;
        if state.serving == 0 {
            state.since = Instant::now();
        }
    }
}

/// One request body on its way in.
pub(super) struct Arriving {
    vitals: Arc<Vitals>,
}

impl Arriving {
    /// The body missed its deadline: the connection takes no further request.
    pub(super) fn late(&self) {
        self.vitals.state().late = true;
        self.vitals.finish.cancel();
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.vitals.state().arriving -= 1;
    }
}
