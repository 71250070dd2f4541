//! A request that is being decided: what it has reserved, and what it is told.

use futures_util::future::try_join_all;

use super::Past;
use super::count::{Bounds, Counted, Query};
use super::recorded::Recorded;
use super::rows::NewRow;
use super::writer::Held;
use crate::Result;
use crate::authz::facts::History;
use crate::policy::Ending;

/// Dropped, it gives back what it has reserved.
#[derive(Debug, Default)]
pub struct Begun {
    pub(super) queries: Vec<Query>,
    pub(super) held: Option<Held>,
    pub(super) ended: Vec<(Ending, NewRow)>,
    /// Whether it was made already. Then it takes no place, and nobody is before it.
    pub(super) is_again: bool,
}

/// What a request is told of the past.
#[derive(Debug, Default)]
pub struct Recalled {
    pub history: History,
    /// Whether there is somebody before it who may yet give something back.
    pub waits: bool,
}

impl Begun {
    /// The counts with everybody who is before it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn told(&self, past: &Past) -> Result<Recalled> {
        let bounds = match &self.held {
            Some(it) => Bounds::up_to(it.seq),
            None if self.is_again => Bounds::none(),
            None => Bounds::as_of(past.clock.micros()),
        };
        let mut waits = false;
        let counts = self
            .queries
            .iter()
            .map(|it| async move { Ok::<_, crate::Error>((it, past.count(it, bounds).await?)) });
        let history = try_join_all(counts).await?.into_iter().map(|(it, counted)| {
            let own = i64::from(self.reserved(it));
            waits |= counted.open > own;
            it.told(counted)
        });
        Ok(Recalled { history: history.collect(), waits })
    }

    /// The counts as they would be, did everybody before it give back what they have reserved.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn told_alone(&self, past: &Past) -> Result<History> {
        let bounds = self.held.as_ref().map_or(Bounds::none(), |it| Bounds::only(it.seq));
        let told = self
            .queries
            .iter()
            .map(|it| async move { Ok::<_, crate::Error>(it.told(past.count(it, bounds).await?)) });
        Ok(try_join_all(told).await?.into_iter().collect())
    }

    /// Whether one of the rows that are counted is its own.
    fn reserved(&self, query: &Query) -> bool {
        self.held.as_ref().is_some_and(|it| it.facts.contains(&query.key))
    }

    /// It is denied: what it has reserved is free again when this returns.
    pub async fn give_back(self) {
        if let Some(held) = self.held {
            held.give_back().await;
        }
    }

    /// It is allowed: what is to be written with its effect, and when it has ended.
    pub fn recorded(self) -> Recorded {
        Recorded::new(self.held, self.ended)
    }
}

impl Past {
    pub(super) async fn count(&self, query: &Query, bounds: Bounds) -> Result<Counted> {
        let _turn = self.turns.acquire().await;
        query.count(&*self.db, bounds).await
    }
}
