//! How many connections may be open, and who has to leave when there are too many.
//!
//! A flood of idle connections must not keep honest callers out, so a full room does not simply
//! shut its door: the connection with the least to lose makes place. One that is being served
//! never does.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::Limits;
use super::vitals::{Claim, Vitals};

/// Counts connections refused because their client has too many.
const REFUSED: &str = "gatewright_connections_refused_total";

/// How often a full room is looked over for a connection that has become dispensable.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(super) struct Room {
    limits: Limits,
    guests: Mutex<Guests>,
    left: Notify,
}

#[derive(Default)]
struct Guests {
    next: u64,
    present: HashMap<u64, Guest>,
}

struct Guest {
    client: IpAddr,
    vitals: Arc<Vitals>,
}

/// A connection's place in the room, until dropped.
pub(super) struct Place {
    room: Arc<Room>,
    key: u64,
}

enum Entry {
    Admitted(u64),
    Refused,
    Full,
}

impl Room {
    pub(super) fn new(limits: Limits) -> Arc<Room> {
        Arc::new(Room { limits, guests: Mutex::default(), left: Notify::new() })
    }

    /// Takes the connection in, waiting for a place if need be; none if its client has too many.
    pub(super) async fn enter(
        self: &Arc<Self>,
        address: IpAddr,
        vitals: &Arc<Vitals>,
    ) -> Option<Place> {
        let client = client(address);
        loop {
            let entry = self.guests().admit(client, vitals, &self.limits);
            match entry {
                Entry::Admitted(key) => return Some(Place { room: Arc::clone(self), key }),
                Entry::Refused => {
                    metrics::counter!(REFUSED).increment(1);
                    return None;
                }
                Entry::Full => {
                    let _: Result<(), _> = timeout(LOOK_AGAIN, self.left.notified()).await;
                }
            }
        }
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    fn admit(&mut self, client: IpAddr, vitals: &Arc<Vitals>, limits: &Limits) -> Entry {
        let (now, respite) = (Instant::now(), limits.respite);
        let kin = self.present.values().filter(|it| it.client == client).count();
        if kin >= limits.per_address && !self.evict(now, respite, |it, _| it.client == client) {
            return Entry::Refused;
        }
        if self.present.len() >= limits.connections
            && !self.evict(now, respite, |_, claim| !claim.is_fresh(now, respite))
        {
            return Entry::Full;
        }
        let key = self.next;
        self.next += 1;
        self.present.insert(key, Guest { client, vitals: Arc::clone(vitals) });
        Entry::Admitted(key)
    }

    /// Ends the connection with the least to lose among `those`; false if there is none.
    fn evict(
        &mut self,
        now: Instant,
        respite: Duration,
        those: impl Fn(&Guest, Claim) -> bool,
    ) -> bool {
        let claims = self.present.iter().filter_map(|(key, guest)| {
            let claim = guest.vitals.claim(now, respite)?;
            those(guest, claim).then_some((claim, *key))
        });
        let Some(guest) = claims.min().and_then(|(_, key)| self.present.remove(&key)) else {
            return false;
        };
        guest.vitals.evict.cancel();
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.guests().present.remove(&self.key);
        self.room.left.notify_one();
    }
}

/// The client an address stands for. An IPv6 client commonly holds a whole network of 64 bits and
/// could otherwise be as many clients as it likes.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => IpAddr::V6(Ipv6Addr::from_bits(it.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}
