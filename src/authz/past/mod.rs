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
use std::time::Duration;

use ed25519_dalek::SigningKey;
use futures_util::future::try_join_all;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::Result;
use crate::audit::Ledger;
use crate::authz::facts::History;
use crate::clock::Clock;
use crate::policy::Bundle;
use crate::store::Database;

pub use self::asked::{Asked, Who};
pub use self::begun::Begun;
pub(super) use self::begun::Recalled;
pub(super) use self::decide::Wait;
pub use self::recorded::Recorded;

use self::asked::{Missing, Span};
use self::count::Bounds;
use self::rows::Rows;
use self::writer::Writer;

const BLOCK_BYTES: usize = 64;
/// Counts at a time: fewer than the store has readers.
const COUNTS_MAX: usize = 3;

/// What happened before, as far as some bundle declared that it counts.
pub struct Past {
    db: Arc<dyn Database>,
    writer: Writer,
    /// For the hashes of values, which may be about people.
    mac: Hmac<Sha256>,
    ledger: Ledger,
    clock: Clock,
    /// Of machines' access tokens, in microseconds.
    token_life: i64,
    /// A crowd that counts waits here, and not where all others read.
    turns: Semaphore,
}

impl Past {
    /// Starts the writer of reservations; it stops when the last handle is dropped. Every replica
    /// must have the same `key`, which signs nothing here. A machine's token lasts `token_life`.
    pub fn start(
        (db, ledger): (Arc<dyn Database>, Ledger),
        key: &SigningKey,
        token_life: Duration,
        clock: Clock,
    ) -> Past {
        let mut mac = keyed(key.as_bytes());
        mac.update(b"gatewright values of the past");
        let mac = keyed(&mac.finalize().into_bytes());
        let writer = Writer::start(db.clone(), clock.clone());
        let token_life = i64::try_from(token_life.as_micros()).unwrap_or(i64::MAX);
        Past { writer, db, mac, ledger, clock, token_life, turns: Semaphore::new(COUNTS_MAX) }
    }

    fn span(&self) -> Span {
        Span { now: self.clock.micros(), token_life: self.token_life }
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
        let span = self.span();
        let missing = (Missing::Refused, span);
        let Rows { reserved, ended } = asked.rows(bundle.past(), &self.mac, missing)?;
        let queries = asked.queries(bundle, span);
        let held = match reserved.is_empty() {
            true => None,
            false => Some(self.writer.reserve(self.clock.new_id(), reserved).await?),
        };
        Ok(Begun { queries, held, ended, is_again: false })
    }

    /// The same for a request that was made on the decision `first` and is not made again. It adds
    /// nothing and is told of nothing that is not allowed yet. In counts with any outcome it has
    /// been since it was made; in those with one outcome it is left out, as when it was made.
    pub fn begin_again(&self, bundle: &Bundle, asked: &Asked<'_>, first: Uuid) -> Begun {
        let mut queries = asked.queries(bundle, self.span());
        queries.iter_mut().for_each(|it| it.except = Some(first));
        Begun { queries, is_again: true, ..Begun::default() }
    }

    /// What a request that was allowed would be told as of now. It is among what is counted already,
    /// and what is not decided yet came after it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn recall(&self, bundle: &Bundle, asked: &Asked<'_>) -> Result<History> {
        let queries = asked.queries(bundle, self.span());
        let told = queries.iter().map(|it| async move {
            Ok::<_, crate::Error>(it.told(self.count(it, Bounds::none()).await?))
        });
        Ok(try_join_all(told).await?.into_iter().collect())
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
        let span = self.span();
        let Rows { reserved, .. } = asked.rows(bundle.past(), &self.mac, (Missing::Left, span))?;
        let bounds = Bounds::as_of(span.now);
        let queries = asked.queries(bundle, span);
        let told = queries.iter().map(|it| async {
            let _turn = self.turns.acquire().await;
            it.with(&*self.db, bounds, &reserved).await
        });
        Ok(try_join_all(told).await?.into_iter().collect())
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; BLOCK_BYTES];
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    Hmac::new(&block.into())
}
