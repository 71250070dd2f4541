//! Counting: one query for each fact.

use uuid::Uuid;

use super::rows::NewRow;
use crate::Result;
use crate::authz::facts::{Amount, Tally};
use crate::error::Error;
use crate::policy::{Count, Ending, Fact};
use crate::store::Database;

/// What is to be looked up. Instants are microseconds.
#[derive(Clone, Debug)]
pub struct Query {
    pub fact: Fact,
    pub key: String,
    pub subject: String,
    /// What happened then, or before, is too long ago.
    pub since: i64,
    /// What ended of the request that was made on this decision does not count.
    pub except: Option<Uuid>,
}

/// Which reservations count, besides what was allowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    first: i64,
    last: i64,
    /// Leases that ended then, or before, do not count.
    leased_after: i64,
}

impl Bounds {
    /// This one and all before it: those whose lease ended were taken away when it was made.
    pub(super) fn up_to(seq: i64) -> Bounds {
        Bounds { first: 0, last: seq, leased_after: 0 }
    }

    /// This one alone.
    pub(super) fn only(seq: i64) -> Bounds {
        Bounds { first: seq, last: seq, leased_after: 0 }
    }

    /// Whatever is under way.
    pub(super) fn as_of(now: i64) -> Bounds {
        Bounds { first: 0, last: i64::MAX, leased_after: now }
    }

    /// Nothing that is not allowed yet.
    pub(super) fn none() -> Bounds {
        Bounds { first: i64::MAX, last: 0, leased_after: i64::MAX }
    }
}

/// What the store counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    calls: i64,
    values: i64,
    units: i64,
    /// Of the calls, those that are not decided yet.
    pub(super) open: i64,
}

impl Query {
    /// Counts what is within the bounds.
    ///
    /// # Errors
    /// The store does not answer, or the sum is more than it can say.
    pub(super) async fn count(&self, db: &dyn Database, bounds: Bounds) -> Result<Counted> {
        let rows = db
            .query(
                "SELECT COUNT(*), COUNT(DISTINCT value), CAST(COALESCE(SUM(amount), 0) AS BIGINT),
                        COUNT(lease_until)
                 FROM history WHERE fact = $1 AND subject = $2 AND at > $3
                   AND (lease_until IS NULL
                        OR (seq >= $4 AND seq <= $5 AND lease_until > $6))
                   AND id <> $7",
                vec![
                    self.key.as_str().into(),
                    self.subject.as_str().into(),
                    self.since.into(),
                    bounds.first.into(),
                    bounds.last.into(),
                    bounds.leased_after.into(),
                    self.except.unwrap_or_default().into(),
                ],
            )
            .await?;
        let row = rows.first().ok_or(Error::internal("a count without a row"))?;
        let (calls, values) = (row.int(0)?, row.int(1)?);
        Ok(Counted { calls, values, units: row.int(2)?, open: row.int(3)? })
    }

    /// The fact by its name, where this was counted.
    pub(super) fn told(&self, counted: Counted) -> (String, Tally) {
        let tally = match self.fact.count {
            Count::Calls => Tally::Count(counted.calls.unsigned_abs()),
            Count::Distinct(_) => Tally::Count(counted.values.unsigned_abs()),
            Count::Sum(_) => Tally::Sum(Amount::of_units(counted.units)),
        };
        (self.fact.name.clone(), tally)
    }

    /// The fact as it would be, were `rows` reserved now.
    ///
    /// # Errors
    /// As [`Query::count`].
    pub(super) async fn with(
        &self,
        db: &dyn Database,
        bounds: Bounds,
        rows: &[NewRow],
    ) -> Result<(String, Tally)> {
        let mut counted = self.count(db, bounds).await?;
        let own = rows.iter().find(|it| it.fact == self.key && self.fact.ending == Ending::Any);
        if let Some(row) = own {
            counted.calls += 1;
            let sum = counted.units.checked_add(row.amount.unwrap_or_default());
            counted.units = sum.ok_or(Error::Unavailable { what: "the sum" })?;
            if let Some(value) = &row.value {
                counted.values += i64::from(!self.has(db, bounds, value).await?);
            }
        }
        Ok(self.told(counted))
    }

    async fn has(&self, db: &dyn Database, bounds: Bounds, value: &[u8]) -> Result<bool> {
        let rows = db
            .query(
                "SELECT 1 FROM history WHERE fact = $1 AND subject = $2 AND at > $3 AND value = $4
                   AND (lease_until IS NULL
                        OR (seq >= $5 AND seq <= $6 AND lease_until > $7)) LIMIT 1",
                vec![
                    self.key.as_str().into(),
                    self.subject.as_str().into(),
                    self.since.into(),
                    value.to_vec().into(),
                    bounds.first.into(),
                    bounds.last.into(),
                    bounds.leased_after.into(),
                ],
            )
            .await?;
        Ok(!rows.is_empty())
    }
}
