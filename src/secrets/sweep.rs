//! Sweeping up: leases that nobody gave back, and writes to Vault that nothing refers to.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Secrets;
use super::leases::returned;
use super::vault::{Failure, Vault};
use crate::Result;
use crate::authz::Warrant;
use crate::store::Statement;

const EVERY: Duration = Duration::from_secs(2);
/// Looking through all of Vault's folder is for what crashes and lost commits left.
const TURNS_PER_LOOK_AROUND: u64 = 6 * 60 * 60 / 2;
/// A write may be waiting for its commit, and a reader may be on its way to what was replaced.
const QUIET_MICROS: i64 = 600_000_000;
const READERS_MICROS: i64 = 60_000_000;
/// How long the end of the server waits for Vault.
const GIVING_BACK_MAX: Duration = Duration::from_secs(3);

/// Leases whose call or credential has ended, at `$1`.
const ENDED: &str = "SELECT id, accessor, vault_path, ends_at FROM leases WHERE return_by < $1
    OR credential_id IN (SELECT id FROM credentials WHERE revoked_at IS NOT NULL)
    ORDER BY return_by LIMIT 100";

impl Secrets {
    /// Signs in to Vault and stays so; sweeps now and then; gives back what is held when it is told
    /// to stop.
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let Some(vault) = &self.vault else { return };
        let sweeping = async {
            let mut turns = tokio::time::interval(EVERY);
            turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            for turn in 0u64.. {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = turns.tick() => {}
                }
                self.turn(turn % TURNS_PER_LOOK_AROUND == 0).await;
            }
        };
        tokio::join!(vault.keep_signed_in(stop.clone()), sweeping);
        // What it is told is best effort: who is not told now is told by the next sweep.
        let _ = tokio::time::timeout(GIVING_BACK_MAX, self.give_back_all(vault)).await;
    }

    async fn turn(&self, look_around: bool) {
        let swept = async {
            self.sweep_leases().await?;
            self.sweep_leftovers().await?;
            if look_around { self.sweep_lost_writes().await } else { Ok(()) }
        };
        if let Err(error) = swept.await {
            tracing::warn!(%error, "what is over in Vault is not swept yet");
        }
    }

    /// Gives back the leases of calls and credentials that have ended; how many.
    ///
    /// # Errors
    /// The store does not answer, or Vault does not; what was done by then is written down.
    #[expect(clippy::disallowed_methods, reason = "nobody is there any more to give them back")]
    pub async fn sweep_leases(&self) -> Result<usize> {
        let Some(vault) = &self.vault else { return Ok(0) };
        let now = self.clock.micros();
        let rows = self.db.query(ENDED, vec![now.into()]).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let warrant = Warrant::system("sweep_leases", &self.clock);
        let (mut statements, mut ended, mut expired) = (Vec::new(), Vec::new(), Vec::new());
        let mut down = None;
        for row in &rows {
            let (lease, over) = (row.uuid(0)?, row.int(3)? < now);
            let revoked = match &down {
                None => vault.revoke(&warrant, row.text(1)?).await,
                Some(failure) => Err(Failure::clone(failure)),
            };
            match revoked {
                Ok(()) => ended.push(lease.to_string()),
                Err(_) if over => expired.push(lease.to_string()),
                Err(failure) => {
                    let path = row.text(2)?;
                    tracing::warn!(%lease, path, %failure, "a lease is not given back yet");
                    down = Some(failure).filter(Failure::is_general);
                    continue;
                }
            }
            self.held.drop_lease(lease);
            statements.push(returned(lease));
        }
        let done = statements.len();
        if done > 0 {
            warrant.note("given_back", ended);
            // Vault ended them by itself: it could not be told before their time was over.
            warrant.note("left_to_expire", expired);
            self.ledger.commit(&warrant, statements).await?;
        }
        Ok(done)
    }

    /// Deletes from Vault what was replaced or removed; how much.
    ///
    /// # Errors
    /// As with leases.
    #[expect(clippy::disallowed_methods, reason = "whoever replaced it has its answer already")]
    pub async fn sweep_leftovers(&self) -> Result<usize> {
        let Some(vault) = &self.vault else { return Ok(0) };
        let before = self.clock.micros() - READERS_MICROS;
        let sql = "SELECT place FROM secret_leftovers WHERE left_at < $1 LIMIT 100";
        let rows = self.db.query(sql, vec![before.into()]).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let warrant = Warrant::system("sweep_secrets", &self.clock);
        let places = rows.iter().map(|it| it.text(0).map(str::to_owned));
        let gone = removed(vault, &warrant, places.collect::<Result<_, _>>()?).await;
        if gone.is_empty() {
            return Ok(0);
        }
        let delete = |it: &String| {
            Statement::new("DELETE FROM secret_leftovers WHERE place = $1").bind(it.as_str())
        };
        let (count, statements) = (gone.len(), gone.iter().map(delete).collect());
        warrant.note("places", gone);
        self.ledger.commit(&warrant, statements).await?;
        Ok(count)
    }

    /// Deletes from Vault what was written for commits that never came.
    ///
    /// # Errors
    /// The store does not answer.
    #[expect(clippy::disallowed_methods, reason = "whoever wrote it may not be there any more")]
    pub async fn sweep_lost_writes(&self) -> Result<()> {
        let Some(vault) = &self.vault else { return Ok(()) };
        let warrant = Warrant::system("sweep_secrets", &self.clock);
        let places = match vault.places(&warrant).await {
            Ok(it) => it,
            Err(failure) => {
                tracing::warn!(%failure, "Vault's folder is not looked through for lost writes");
                return Ok(());
            }
        };
        let sql = "SELECT path || '/' || write_id FROM secrets WHERE write_id IS NOT NULL
                   UNION SELECT place FROM secret_leftovers";
        let rows = self.db.query(sql, vec![]).await?;
        let known: HashSet<&str> = rows.iter().map(|it| it.text(0)).collect::<Result<_, _>>()?;
        let before = self.clock.micros() - QUIET_MICROS;
        let is_lost = |it: &String| !known.contains(&**it) && is_write_before(it, before);
        let lost = places.into_iter().filter(is_lost).collect();
        let gone = removed(vault, &warrant, lost).await;
        if gone.is_empty() {
            return Ok(());
        }
        warrant.note("places", gone);
        self.ledger.commit(&warrant, Vec::new()).await
    }

    #[expect(clippy::disallowed_methods, reason = "the server ends, and its leases with it")]
    async fn give_back_all(&self, vault: &Vault) {
        let warrant = Warrant::system("give_back_leases", &self.clock);
        let mut statements = Vec::new();
        for (lease, accessor) in self.held.take_all() {
            if vault.revoke(&warrant, &accessor).await.is_ok() {
                statements.push(returned(lease));
            }
        }
        if statements.is_empty() {
            return;
        }
        if let Err(error) = self.ledger.commit(&warrant, statements).await {
            tracing::warn!(%error, "leases were given back and stand as if they were not");
        }
    }
}

/// Removes places from Vault, while it answers; those that are gone.
async fn removed(vault: &Vault, warrant: &Warrant, places: Vec<String>) -> Vec<String> {
    let mut gone = Vec::new();
    for place in places {
        match vault.remove(warrant, &place).await {
            Ok(()) => gone.push(place),
            Err(failure) => {
                tracing::warn!(place, %failure, "what nothing refers to stays in Vault");
                if failure.is_general() {
                    break;
                }
            }
        }
    }
    gone
}

/// Whether a place in Vault is a write of ours from before that instant (microseconds): its last part
/// is a UUIDv7, which tells.
fn is_write_before(place: &str, instant: i64) -> bool {
    let write = place.rsplit('/').next().and_then(|it| it.parse::<Uuid>().ok());
    let made = write.and_then(|it| it.get_timestamp()).map(|it| it.to_unix());
    let micros = made.and_then(|(seconds, nanos)| {
        i64::try_from(seconds).ok()?.checked_mul(1_000_000)?.checked_add(i64::from(nanos / 1_000))
    });
    micros.is_some_and(|it| it < instant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, instant};

    #[test]
    fn a_write_tells_when_it_was_made_and_a_strangers_does_not() {
        let at = 1_790_000_000_000_000;
        let write = Clock::manual(instant(at)).new_id();
        let place = format!("tools/{}/{write}", Uuid::nil());
        assert!(is_write_before(&place, at + 1_000));
        assert!(!is_write_before(&place, at));
        for other in ["notes", "tools/notes", "", &format!("tools/{}", Uuid::nil())] {
            assert!(!is_write_before(other, i64::MAX), "{other}");
        }
    }
}
