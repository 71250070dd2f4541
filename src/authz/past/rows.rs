//! What a request leaves behind, as statements.

use uuid::Uuid;

use crate::policy::Ending;
use crate::store::Statement;

/// How long a reservation holds whose process says nothing any more: far longer than it takes to
/// decide and to commit. Microseconds.
pub(super) const LEASE: i64 = 10 * 1_000_000;

/// Reservations of one turn.
pub(super) const TURN: i64 = 1024;

/// What one request adds to one count.
#[derive(Clone, Debug)]
pub struct NewRow {
    pub fact: String,
    pub subject: String,
    pub value: Option<Vec<u8>>,
    pub amount: Option<i64>,
    /// Microseconds; none while the session may last.
    pub keep_for: Option<i64>,
}

/// What a request leaves behind at once, and what when it has ended like this.
#[derive(Debug, Default)]
pub struct Rows {
    pub reserved: Vec<NewRow>,
    pub ended: Vec<(Ending, NewRow)>,
}

impl NewRow {
    /// Two facts that differ in their windows alone share their rows.
    pub(super) fn keep_for_the_longer(&mut self, other: Option<i64>) {
        self.keep_for = self.keep_for.zip(other).map(|(one, other)| one.max(other));
    }

    /// Reserves it, in this place of the turn that is under way.
    pub(super) fn reserved(&self, id: Uuid, place: i64, now: i64) -> Statement {
        self.insert(id, place, now, Some(now.saturating_add(LEASE)))
    }

    /// Counts it from now on.
    pub(super) fn settled(&self, id: Uuid, now: i64) -> Statement {
        self.insert(id, 0, now, None)
    }

    fn insert(&self, id: Uuid, place: i64, now: i64, lease_until: Option<i64>) -> Statement {
        Statement::new(
            "INSERT INTO history
               (id, fact, subject, seq, at, value, amount, lease_until, keep_until)
             VALUES ($1, $2, $3, (SELECT turn FROM history_turn WHERE id = 1) * $4 + $5,
                     $6, $7, $8, $9, $10)",
        )
        .bind(id)
        .bind(self.fact.as_str())
        .bind(self.subject.as_str())
        .bind(TURN)
        .bind(place)
        .bind(now)
        .bind(self.value.clone())
        .bind(self.amount)
        .bind(lease_until)
        .bind(self.keep_for.map(|it| now.saturating_add(it)))
        .expect_rows(1)
    }
}

/// Keeps what was reserved for `id`, unless its lease ended: then the count was somebody else's.
pub(super) fn settle(id: Uuid, rows: u64) -> Statement {
    Statement::new(
        "UPDATE history SET lease_until = NULL WHERE id = $1 AND lease_until IS NOT NULL",
    )
    .bind(id)
    .expect_rows(rows)
}

/// Gives back everything that `id` added.
pub(super) fn give_back(id: Uuid) -> Statement {
    Statement::new("DELETE FROM history WHERE id = $1").bind(id)
}

/// Gives back what was reserved by processes that are gone.
pub(super) fn end_leases(now: i64) -> Statement {
    Statement::new("DELETE FROM history WHERE lease_until IS NOT NULL AND lease_until <= $1")
        .bind(now)
}
