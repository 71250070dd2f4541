//! Looks at registered servers again before the last look is too old to be believed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::authz::Warrant;
use crate::registry::{Connection, State, Tool};
use crate::secrets::SecretPath;
use crate::{App, Error, Result};

/// How often to see which servers are due, unless probes are believed for a very short time.
const EVERY: Duration = Duration::from_secs(60);
/// A part of the time that a probe is believed: so long before its end a server is due, at least.
const AHEAD: i64 = 10;
/// Servers are due at different times before their end, over as long again.
const SPREAD: u128 = 1_000;

impl App {
    /// Goes round the servers until it is told to stop. Several processes that do so on one store
    /// look more often than they must, and nothing else: each change is a compare-and-set.
    pub async fn go_round(self: Arc<Self>, stop: CancellationToken) {
        let believed = u64::try_from(self.prober.stale_after()).unwrap_or_default();
        let mut ticks = interval(EVERY.min(Duration::from_micros(believed / 20)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = HashMap::new();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            for server in self.due(&asked) {
                asked.insert(server.id, self.clock.micros());
                if let Err(error) = self.look_at(&server).await {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(server = %server.id, error, "a server was not looked at again");
                }
            }
        }
    }

    /// The servers to look at now, and not again so soon where that came to nothing.
    fn due(&self, asked: &HashMap<Uuid, i64>) -> Vec<Arc<Tool>> {
        let (now, believed) = (self.clock.micros(), self.prober.stale_after());
        let pause = believed / AHEAD / 2;
        let is_due = |it: &Arc<Tool>| {
            let lead = believed / AHEAD + spread(it.id, believed / AHEAD);
            it.definition.connection.is_server()
                && it.state == State::Active
                && it.probe_valid_until.is_none_or(|end| end - lead <= now)
                && asked.get(&it.id).is_none_or(|at| at + pause <= now)
        };
        self.registry.catalogue().tools().into_iter().filter(is_due).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "servers are looked at on nobody's behalf")]
    async fn look_at(&self, server: &Arc<Tool>) -> Result<()> {
        let Connection::Remote(remote) = &server.definition.connection else { return Ok(()) };
        let warrant = Warrant::system("reprobe", &self.clock);
        warrant.note("tool", server.id.to_string());
        warrant.note("name", server.definition.name.as_str());
        let secrets = self.secrets.read(&warrant, SecretPath::tool(server.id)).await?;
        let found = self.prober.probe(&warrant, remote, &secrets).await;
        match self.registry.probed(&warrant, server, found).await {
            // Somebody changed the server meanwhile, and looked at it themselves.
            Err(Error::Conflict(_)) => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

/// Somewhere from nothing to `range`, and for one server always the same.
fn spread(server: Uuid, range: i64) -> i64 {
    let part = i64::try_from(server.as_u128() % SPREAD).unwrap_or_default();
    range / 1_000 * part
}
