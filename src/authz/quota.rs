//! Quotas: the store counts, Cedar compares.
//!
//! A use is reserved before the decision, so the counters Cedar sees already include it and every
//! one of many parallel requests sees a different value: no more than the limit can be allowed.
//! Denied, failed or dropped, a reservation goes back; allowed, it is settled in the same commit
//! as the effect. A minute is a sliding 60 seconds, an hour a sliding 3,600; a day is a UTC day.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::action::{Made, Use, UseKind};
use super::facts::{Particulars, Usage};
use crate::store::{Database, Result, Statement};

/// Principals are spread over this many locks.
const SHARDS: usize = 16;
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The counters of this process. Instants are microseconds since the epoch.
#[derive(Debug, Default)]
pub struct Quota {
    shards: [Mutex<HashMap<Uuid, Account>>; SHARDS],
}

/// What a request is described with before anything is reserved for it.
pub const NOTHING_USED: Usage = Usage {
    calls_last_minute: 0,
    calls_today: 0,
    cost_today_micros: 0,
    failures_last_hour: 0,
    calls_ever: 0,
};

/// What one principal used.
#[derive(Debug, Default)]
struct Account {
    day: i64,
    spent_micros: i64,
    tools: HashMap<Uuid, Counter>,
}

/// The uses one principal made of one tool.
#[derive(Debug, Default)]
struct Counter {
    last_minute: VecDeque<i64>,
    last_hour_failures: VecDeque<i64>,
    today: i64,
    /// Calls that were allowed and written down. One that is not decided yet is nobody's past.
    calls_ever: i64,
}

/// A use that is counted but not yet decided. Dropping it gives it back.
#[derive(Debug)]
pub struct Reservation {
    quota: Arc<Quota>,
    principal: Uuid,
    it: Use,
    at: i64,
    usage: Usage,
    settled: bool,
}

impl Quota {
    /// Counts what the store knows: a restart forgets nothing.
    pub async fn load(db: &dyn Database, now: i64) -> Result<Arc<Quota>> {
        let quota = Quota::default();
        let ever = db
            .query(
                "SELECT principal_id, tool_id, CAST(SUM(calls) AS BIGINT) FROM usage
                 GROUP BY principal_id, tool_id",
                vec![],
            )
            .await?;
        for row in ever {
            let (principal, tool, calls) = (row.uuid(0)?, row.uuid(1)?, row.int(2)?);
            quota
                .account(principal, now, |it| it.tools.entry(tool).or_default().calls_ever = calls);
        }
        let recent = db
            .query(
                "SELECT principal_id, tool_id, minute, uses, failures, cost_micros FROM usage
                 WHERE minute >= $1 ORDER BY minute",
                vec![((now - DAY) / MINUTE).into()],
            )
            .await?;
        for row in recent {
            let past = Past {
                minute: row.int(2)?,
                uses: row.int(3)?,
                failures: row.int(4)?,
                cost_micros: row.int(5)?,
            };
            let tool = row.uuid(1)?;
            quota.account(row.uuid(0)?, now, |it| it.restore(tool, &past, now));
        }
        Ok(Arc::new(quota))
    }

    /// Counts one more use, at once and for everybody, and tells how many there are with it.
    pub fn reserve(self: &Arc<Self>, principal: Uuid, it: Use, now: i64) -> Reservation {
        let usage = self.account(principal, now, |account| account.add(it, now));
        Reservation { quota: self.clone(), principal, it, at: now, usage, settled: false }
    }

    /// What the counters would be with one more use; nothing is counted.
    pub fn foreseen(&self, principal: Uuid, it: Use, now: i64) -> Usage {
        self.account(principal, now, |account| account.with_one_more(it, now))
    }

    /// The counters with a use that they hold already, as they would have been told to it: without
    /// its own failure.
    pub fn with(&self, principal: Uuid, tool: Uuid, made: Made, now: i64) -> Usage {
        self.account(principal, now, |account| account.with(tool, made, now))
    }

    /// Counts a use that failed after it was settled, and gives back what it is not to cost. The
    /// statement makes it last.
    pub fn failed(&self, principal: Uuid, refund: Use, now: i64) -> Statement {
        self.account(principal, now, |account| {
            account.spent_micros = (account.spent_micros - refund.cost_micros).max(0);
            let counter = account.tools.entry(refund.tool).or_default();
            counter.last_hour_failures.push_back(now);
        });
        Statement::new(
            "INSERT INTO usage (principal_id, tool_id, minute, uses, failures, cost_micros)
             VALUES ($1, $2, $3, 0, 1, $4)
             ON CONFLICT (principal_id, tool_id, minute) DO UPDATE
             SET failures = usage.failures + 1, cost_micros = usage.cost_micros + excluded.cost_micros",
        )
        .bind(principal)
        .bind(refund.tool)
        .bind(now / MINUTE)
        .bind(-refund.cost_micros)
        .expect_rows(1)
    }

    fn account<T>(&self, principal: Uuid, now: i64, work: impl FnOnce(&mut Account) -> T) -> T {
        let index = principal.as_u128() as usize % SHARDS;
        let [first, ..] = &self.shards;
        let shard = self.shards.get(index).unwrap_or(first);
        // Counters that a panic left behind are still counters.
        let mut accounts = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(principal).or_default();
        account.turn_to(now / DAY);
        work(account)
    }
}

/// One settled minute, as the store keeps it.
struct Past {
    minute: i64,
    uses: i64,
    failures: i64,
    cost_micros: i64,
}

impl Account {
    /// A new day starts with nothing used. Days only go forward: a use that is given back after
    /// midnight, or a clock that steps back, must not forget what today has used.
    fn turn_to(&mut self, day: i64) {
        if day > self.day {
            self.day = day;
            self.spent_micros = 0;
            self.tools.values_mut().for_each(|it| it.today = 0);
        }
    }

    fn add(&mut self, it: Use, now: i64) -> Usage {
        self.spent_micros += it.cost_micros;
        let counter = self.tools.entry(it.tool).or_default();
        forget(&mut counter.last_minute, now - MINUTE);
        forget(&mut counter.last_hour_failures, now - HOUR);
        counter.last_minute.push_back(now);
        counter.today += 1;
        Usage {
            calls_last_minute: counter.last_minute.len() as u64,
            calls_today: counter.today.unsigned_abs(),
            cost_today_micros: self.spent_micros.unsigned_abs(),
            failures_last_hour: counter.last_hour_failures.len() as u64,
            calls_ever: counter.calls_ever.unsigned_abs() + 1,
        }
    }

    /// What [`Account::add`] would tell.
    fn with_one_more(&self, it: Use, now: i64) -> Usage {
        let usage = self.usage(it.tool, now);
        Usage {
            calls_last_minute: usage.calls_last_minute + 1,
            calls_today: usage.calls_today + 1,
            cost_today_micros: (self.spent_micros + it.cost_micros).unsigned_abs(),
            calls_ever: usage.calls_ever + 1,
            ..usage
        }
    }

    /// What there is, with a use that was made before.
    fn with(&self, tool: Uuid, made: Made, now: i64) -> Usage {
        let usage = self.usage(tool, now);
        let own = made.failed_at.is_some_and(|it| it > now - HOUR);
        let failures_last_hour = usage.failures_last_hour.saturating_sub(u64::from(own));
        Usage { failures_last_hour, ..usage }
    }

    fn usage(&self, tool: Uuid, now: i64) -> Usage {
        let counter = self.tools.get(&tool);
        let since = |times: fn(&Counter) -> &VecDeque<i64>, begin: i64| {
            let times = counter.map(times).into_iter().flatten();
            times.filter(|at| **at > begin).count() as u64
        };
        let count = |of: fn(&Counter) -> i64| counter.map_or(0, of).unsigned_abs();
        Usage {
            calls_last_minute: since(|it| &it.last_minute, now - MINUTE),
            calls_today: count(|it| it.today),
            cost_today_micros: self.spent_micros.unsigned_abs(),
            failures_last_hour: since(|it| &it.last_hour_failures, now - HOUR),
            calls_ever: count(|it| it.calls_ever),
        }
    }

    fn give_back(&mut self, it: Use, at: i64) {
        let same_day = self.day == at / DAY;
        if same_day {
            self.spent_micros -= it.cost_micros;
        }
        let Some(counter) = self.tools.get_mut(&it.tool) else { return };
        if let Some(index) = counter.last_minute.iter().position(|time| *time == at) {
            counter.last_minute.remove(index);
        }
        counter.today -= i64::from(same_day);
    }

    /// Uses of a past minute count as made at its end: rather too long than too short.
    fn restore(&mut self, tool: Uuid, past: &Past, now: i64) {
        let end = ((past.minute + 1) * MINUTE - 1).min(now);
        let today = past.minute * MINUTE / DAY == self.day;
        if today {
            self.spent_micros += past.cost_micros;
        }
        let counter = self.tools.entry(tool).or_default();
        let times = |n: i64| (0..n).map(move |_| end);
        if now - end < MINUTE {
            counter.last_minute.extend(times(past.uses));
        }
        if now - end < HOUR {
            counter.last_hour_failures.extend(times(past.failures));
        }
        if today {
            counter.today += past.uses;
        }
    }
}

/// Drops what is older than the window; a clock that stepped back leaves it too long, never too short.
fn forget(times: &mut VecDeque<i64>, before: i64) {
    while times.front().is_some_and(|it| *it <= before) {
        times.pop_front();
    }
}

impl Reservation {
    /// The counters, this use included.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// What it costs, in millionths of a US dollar.
    pub fn cost_micros(&self) -> u64 {
        self.it.cost_micros.unsigned_abs()
    }

    /// What makes the use last beyond this process, for the commit that carries the effect.
    pub fn statements(&self) -> [Statement; 1] {
        [Statement::new(
            "INSERT INTO usage (principal_id, tool_id, minute, uses, failures, cost_micros, calls)
             VALUES ($1, $2, $3, 1, 0, $4, $5)
             ON CONFLICT (principal_id, tool_id, minute) DO UPDATE
             SET uses = usage.uses + 1, cost_micros = usage.cost_micros + excluded.cost_micros,
                 calls = usage.calls + excluded.calls",
        )
        .bind(self.principal)
        .bind(self.it.tool)
        .bind(self.at / MINUTE)
        .bind(self.it.cost_micros)
        .bind(i64::from(self.it.kind == UseKind::Call))
        .expect_rows(1)]
    }

    /// Keeps the use: it was, or may have been, written.
    pub fn settle(mut self) {
        self.settled = true;
        if self.it.kind == UseKind::Call {
            let (tool, at) = (self.it.tool, self.at);
            let count = |it: &mut Account| it.tools.entry(tool).or_default().calls_ever += 1;
            self.quota.account(self.principal, at, count);
        }
    }
}

impl Particulars {
    /// Puts the reserved counters in; the shapes that count nothing stay as they are.
    pub(crate) fn set_usage(&mut self, counted: Usage) {
        if let Particulars::Credential { usage, .. } | Particulars::Call { usage, .. } = self {
            *usage = counted;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.settled {
            let (it, at) = (self.it, self.at);
            self.quota.account(self.principal, at, |account| account.give_back(it, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USE: Use = Use { tool: Uuid::nil(), cost_micros: 250_000, kind: UseKind::Call };

    #[test]
    fn every_reservation_sees_itself_and_those_before_it() {
        let quota = Arc::new(Quota::default());
        let held: Vec<_> = (0..5).map(|_| quota.reserve(Uuid::nil(), USE, DAY)).collect();
        let seen: Vec<u64> = held.iter().map(|it| it.usage().calls_last_minute).collect();
        assert_eq!(seen, [1, 2, 3, 4, 5]);
        assert_eq!(held[4].usage().cost_today_micros, 1_250_000);
    }

    #[test]
    fn what_is_dropped_goes_back_and_what_is_settled_stays() {
        let quota = Arc::new(Quota::default());
        drop(quota.reserve(Uuid::nil(), USE, DAY));
        quota.reserve(Uuid::nil(), USE, DAY).settle();
        let usage = quota.reserve(Uuid::nil(), USE, DAY).usage();
        assert_eq!((usage.calls_last_minute, usage.calls_today, usage.calls_ever), (2, 2, 2));
        assert_eq!(usage.cost_today_micros, 500_000);
    }

    #[test]
    fn what_is_foreseen_is_not_counted() {
        let quota = Arc::new(Quota::default());
        quota.reserve(Uuid::nil(), USE, DAY).settle();
        for _ in 0..2 {
            let usage = quota.foreseen(Uuid::nil(), USE, DAY);
            assert_eq!((usage.calls_last_minute, usage.calls_today, usage.calls_ever), (2, 2, 2));
        }
    }

    #[test]
    fn what_was_made_sees_itself_once_and_not_its_own_failure() {
        let quota = Arc::new(Quota::default());
        for at in [DAY, DAY + 1] {
            quota.reserve(Uuid::nil(), USE, at).settle();
            quota.failed(Uuid::nil(), Use { cost_micros: 0, ..USE }, at);
        }
        let made = |failed_at| Made { decision: Uuid::nil(), failed_at };
        for _ in 0..2 {
            let usage = quota.with(Uuid::nil(), USE.tool, made(Some(DAY + 1)), DAY + 2);
            assert_eq!((usage.calls_last_minute, usage.calls_today, usage.calls_ever), (2, 2, 2));
            assert_eq!((usage.cost_today_micros, usage.failures_last_hour), (500_000, 1));
        }
        let long_ago = quota.with(Uuid::nil(), USE.tool, made(Some(0)), DAY + 2);
        assert_eq!(long_ago.failures_last_hour, 2);
        assert_eq!(quota.with(Uuid::nil(), USE.tool, made(None), DAY + 2).failures_last_hour, 2);
    }

    #[test]
    fn windows_slide_and_days_turn() {
        let quota = Arc::new(Quota::default());
        quota.reserve(Uuid::nil(), USE, DAY).settle();
        let usage = quota.reserve(Uuid::nil(), USE, DAY + MINUTE).usage();
        assert_eq!((usage.calls_last_minute, usage.calls_today), (1, 2));
        let usage = quota.reserve(Uuid::nil(), USE, 2 * DAY).usage();
        assert_eq!((usage.calls_today, usage.cost_today_micros), (1, 250_000));
        assert_eq!(usage.calls_ever, 2);
    }

    #[test]
    fn a_restart_remembers_the_minute_for_rather_too_long() {
        let now = 10 * DAY + 30 * SECOND;
        let mut account = Account { day: 10, ..Account::default() };
        let past = Past { minute: now / MINUTE - 1, uses: 7, failures: 2, cost_micros: 9 };
        account.restore(Uuid::nil(), &past, now);
        // Midnight lies between: the minute before belongs to yesterday's sums.
        let usage = account.add(USE, now);
        assert_eq!((usage.calls_last_minute, usage.failures_last_hour), (8, 2));
        assert_eq!((usage.calls_today, usage.cost_today_micros), (1, 250_000));
    }
}
