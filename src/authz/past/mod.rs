//! The past: the store counts what a bundle declares, Cedar compares.
//!
//! A request that a declaration counts is reserved before it is decided, durably and in an order
//! that all replicas share. It is told of what was allowed, of what was reserved before it, and of
//! itself: no two requests see the same count, so no more than a limit are allowed, and the first
//! of those that are under way is never refused for the sake of another. Denied, failed or dropped,
//! a reservation goes back; allowed, it is settled in the same commit as the effect; and where its
//! process died, its lease ends.

mod asked;
mod begun;
mod count;
mod decide;
mod prune;
mod recorded;
mod rows;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::Result;
use crate::audit::Ledger;
use crate::authz::facts::History;
use crate::clock::Clock;
use crate::policy::Bundle;
use crate::store::Database;

pub use self::asked::{Asked, Who};
pub use self::begun::Begun;
pub use self::recorded::Recorded;

use self::asked::Missing;
use self::count::Bounds;
use self::rows::Rows;
use self::writer::Writer;

const BLOCK_BYTES: usize = 64;

/// What happened before, as far as some bundle declared that it counts.
pub struct Past {
    db: Arc<dyn Database>,
    writer: Writer,
    /// For the hashes of values, which may be about people.
    mac: Hmac<Sha256>,
    ledger: Ledger,
    clock: Clock,
}

impl Past {
    /// Starts the writer of reservations; it stops when the last handle is dropped. Every replica
    /// must have the same `key`, which signs nothing here.
    pub fn start(db: Arc<dyn Database>, ledger: Ledger, key: &SigningKey, clock: Clock) -> Past {
        let mut mac = keyed(key.as_bytes());
        mac.update(b"gatewright values of the past");
        let mac = keyed(&mac.finalize().into_bytes());
        Past { writer: Writer::start(db.clone(), clock.clone()), db, mac, ledger, clock }
    }

    /// Takes note of a request that is about to be decided, and reserves it where it counts. One
    /// that has nothing to do with any declaration never gets to the store.
    ///
    /// # Errors
    /// The request lacks what is to be counted of it, or the store does not answer.
    pub async fn begin(&self, bundle: &Bundle, asked: &Asked<'_>) -> Result<Begun> {
        if bundle.past().facts().is_empty() {
            return Ok(Begun::default());
        }
        let now = self.clock.micros();
        let Rows { reserved, ended } = asked.rows(bundle.past(), &self.mac, Missing::Refused)?;
        let queries = asked.queries(bundle, now);
        let held = match reserved.is_empty() {
            true => None,
            false => Some(self.writer.reserve(self.clock.new_id(), reserved).await?),
        };
        Ok(Begun { queries, held, ended })
    }

    /// What a request would be told that is not made: the counts as of now, with it, and nothing
    /// reserved. What its arguments do not say yet adds nothing.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn foresee(&self, bundle: &Bundle, asked: &Asked<'_>) -> Result<History> {
        if bundle.past().facts().is_empty() {
            return Ok(History::default());
        }
        let now = self.clock.micros();
        let Rows { reserved, .. } = asked.rows(bundle.past(), &self.mac, Missing::Left)?;
        let bounds = Bounds::as_of(now);
        let queries = asked.queries(bundle, now);
        let told = queries.iter().map(|it| it.with(&*self.db, bounds, &reserved));
        Ok(futures_util::future::try_join_all(told).await?.into_iter().collect())
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; BLOCK_BYTES];
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    Hmac::new(&block.into())
}
