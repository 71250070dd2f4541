//! JSON documents that others publish, kept while they are fresh; each is fetched once for all who
//! wait for it.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use http::{HeaderMap, HeaderValue, header};
use moka::sync::Cache;
use serde_json::Value;
use url::Url;

use super::{Ask, Failure, Outbound, Reach};
use crate::authz::Warrant;
use crate::clock::Clock;

/// How documents of one kind are fetched and kept.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// What the fetch is for, as a warrant says it.
    pub task: &'static str,
    pub bytes_max: usize,
    pub time_max: Duration,
    /// How long a document is fresh: what its `Cache-Control` says, inside these bounds, and the
    /// upper one where it says nothing.
    pub fresh: RangeInclusive<Duration>,
    /// How old a document may be that is used because no newer one can be had.
    pub stale_max: Duration,
    /// For how long nobody asks again after a failure.
    pub retry_after: Duration,
    /// At most one document in this time is asked for before its time.
    pub newer_after: Duration,
    /// How many documents are kept.
    pub count_max: u64,
}

/// Makes of JSON what it says, or tells what is wrong with it, in words that do not quote it.
pub type Read<T> = fn(&Url, Value) -> Result<T, String>;

/// The documents of one kind, by URL.
pub struct Documents<T> {
    press: Arc<Press<T>>,
    slots: Cache<(Url, Reach), Arc<Slot<T>>>,
}

type Outcome<T> = Result<Arc<T>, Arc<Failure>>;
type Flight<T> = Shared<BoxFuture<'static, Outcome<T>>>;

/// Where documents come from.
struct Press<T> {
    outbound: Arc<Outbound>,
    clock: Clock,
    keeping: Keeping,
    read: Read<T>,
}

/// What is known of one document. Instants are microseconds.
struct State<T> {
    kept: Option<Kept<T>>,
    failed: Option<(Arc<Failure>, i64)>,
    newer_at: Option<i64>,
    /// The fetch that is under way.
    flight: Option<Flight<T>>,
}

struct Kept<T> {
    document: Arc<T>,
    fetched_at: i64,
    fresh: Duration,
}

struct Slot<T>(Mutex<State<T>>);

impl<T: Send + Sync + 'static> Documents<T> {
    pub fn new(
        outbound: Arc<Outbound>,
        clock: Clock,
        keeping: Keeping,
        read: Read<T>,
    ) -> Documents<T> {
        let slots = Cache::new(keeping.count_max);
        Documents { press: Arc::new(Press { outbound, clock, keeping, read }), slots }
    }

    /// The document, fetched if none is fresh.
    ///
    /// # Errors
    /// It cannot be fetched or read, and what is kept is older than `stale_max`.
    pub async fn get(&self, url: &Url, reach: Reach) -> Outcome<T> {
        let slot = self.slot(url, reach);
        let Press { clock, keeping, .. } = &*self.press;
        let flight = {
            let mut state = slot.lock();
            let now = clock.micros();
            if let Some(document) = state.kept_within(now, |it| it.fresh) {
                return Ok(document);
            }
            match state.failed_within(now, keeping.retry_after) {
                Some(failure) => return state.stale(now, keeping.stale_max).ok_or(failure),
                None => self.fly(&slot, &mut state, url, reach),
            }
        };
        let failure = match flight.await {
            Ok(document) => return Ok(document),
            Err(failure) => failure,
        };
        slot.lock().stale(clock.micros(), keeping.stale_max).ok_or(failure)
    }

    /// Whether a fresh document is kept, so that nobody has to be asked for it.
    pub fn has_fresh(&self, url: &Url, reach: Reach) -> bool {
        let now = self.press.clock.micros();
        let slot = self.slots.get(&(url.clone(), reach));
        slot.is_some_and(|it| it.lock().kept_within(now, |it| it.fresh).is_some())
    }

    /// The document, fetched before its time, since what is kept lacks something. What is kept is
    /// given where that was done too short a while ago.
    ///
    /// # Errors
    /// As [`Documents::get`].
    pub async fn get_newer(&self, url: &Url, reach: Reach) -> Outcome<T> {
        let slot = self.slot(url, reach);
        let Press { clock, keeping, .. } = &*self.press;
        let flight = {
            let mut state = slot.lock();
            let now = clock.micros();
            let lately = state.newer_at.is_some_and(|at| within(at, now, keeping.newer_after));
            match (&state.flight, lately) {
                (Some(flight), _) => Some(flight.clone()),
                (None, true) => None,
                (None, false) => {
                    state.newer_at = Some(now);
                    Some(self.fly(&slot, &mut state, url, reach))
                }
            }
        };
        if let Some(flight) = flight {
            // How it went is what `get` tells.
            let _ = flight.await;
        }
        self.get(url, reach).await
    }

    fn slot(&self, url: &Url, reach: Reach) -> Arc<Slot<T>> {
        self.slots.get_with((url.clone(), reach), Arc::default)
    }

    /// Joins the fetch that is under way, or begins one.
    fn fly(&self, slot: &Arc<Slot<T>>, state: &mut State<T>, url: &Url, reach: Reach) -> Flight<T> {
        if let Some(flight) = &state.flight {
            return flight.clone();
        }
        let (press, slot, url) = (self.press.clone(), slot.clone(), url.clone());
        let flight = async move {
            let fetched = press.fetch(url, reach).await;
            slot.lock().land(fetched, press.clock.micros())
        };
        let flight = flight.boxed().shared();
        state.flight = Some(flight.clone());
        // It comes to its end even if everyone who waits for it goes away.
        tokio::spawn(flight.clone());
        flight
    }
}

impl<T> Press<T> {
    #[expect(clippy::disallowed_methods, reason = "a document is fetched for all who need it")]
    async fn fetch(&self, url: Url, reach: Reach) -> Result<Kept<T>, Failure> {
        let accept = (header::ACCEPT, HeaderValue::from_static("application/json"));
        let ask = Ask {
            headers: HeaderMap::from_iter([accept]),
            time_max: self.keeping.time_max,
            bytes_max: self.keeping.bytes_max,
            ..Ask::get(url, reach)
        };
        let warrant = Warrant::system(self.keeping.task, &self.clock);
        let answer = self.outbound.call(&warrant, ask).await?;
        let document = (self.read)(&answer.url, answer.json()?)
            .map_err(|detail| Failure::Unreadable { url: answer.url.to_string(), detail })?;
        Ok(Kept {
            document: Arc::new(document),
            fetched_at: self.clock.micros(),
            fresh: freshness(&answer.headers, &self.keeping.fresh),
        })
    }
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot(Mutex::new(State { kept: None, failed: None, newer_at: None, flight: None }))
    }
}

impl<T> State<T> {
    fn land(&mut self, fetched: Result<Kept<T>, Failure>, now: i64) -> Outcome<T> {
        self.flight = None;
        match fetched {
            Ok(kept) => {
                let document = kept.document.clone();
                (self.kept, self.failed) = (Some(kept), None);
                Ok(document)
            }
            Err(failure) => {
                let failure = Arc::new(failure);
                self.failed = Some((failure.clone(), now));
                Err(failure)
            }
        }
    }

    fn kept_within(&self, now: i64, age_max: impl Fn(&Kept<T>) -> Duration) -> Option<Arc<T>> {
        let kept = self.kept.as_ref()?;
        within(kept.fetched_at, now, age_max(kept)).then(|| kept.document.clone())
    }

    fn stale(&self, now: i64, stale_max: Duration) -> Option<Arc<T>> {
        self.kept_within(now, |_| stale_max)
    }

    fn failed_within(&self, now: i64, time: Duration) -> Option<Arc<Failure>> {
        let (failure, at) = self.failed.as_ref()?;
        within(*at, now, time).then(|| failure.clone())
    }
}

/// Whether `now` is less than `time` after `then`; a clock that was set back says no.
fn within(then: i64, now: i64, time: Duration) -> bool {
    let passed = u64::try_from(now.saturating_sub(then));
    passed.is_ok_and(|it| Duration::from_micros(it) < time)
}

/// How long an answer is fresh by its `Cache-Control` (RFC 9111 section 5.2.2), inside the bounds.
fn freshness(headers: &HeaderMap, bounds: &RangeInclusive<Duration>) -> Duration {
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|it| it.to_str().ok());
    let lives = values.flat_map(|it| it.split(',')).filter_map(|directive| {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => Some(0),
            // One that cannot be understood is as good as past.
            "max-age" => Some(value.trim().trim_matches('"').parse::<u64>().unwrap_or(0)),
            _ => None,
        }
    });
    let life = lives.min().map_or(*bounds.end(), Duration::from_secs);
    life.clamp(*bounds.start(), *bounds.end())
}
