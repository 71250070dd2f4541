//! Keeps what is known of Gatewright fresh: reads its keys and its revocation feed again and again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::StatusCode;
use serde::de::DeserializeOwned;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::gateway::Gateway;
use crate::authz::Warrant;
use crate::clock::Clock;
use crate::credentials::verify::KeysDocument;
use crate::credentials::verify::feed::SignedPage;
use crate::net::outbound::{Ask, Outbound, Reach};

/// The most pages at one look; a server that never comes to an end is given up.
const PAGES_MAX: usize = 1000;
/// A page has up to 10,000 revocations.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// Looks before the feed is too old, so that one that fails does no harm.
const LOOKS: u32 = 6;
const PAUSES: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(200)..=Duration::from_secs(10);

pub(super) struct Follower {
    gateway: Arc<Gateway>,
    outbound: Outbound,
    keys: Url,
    feed: Url,
    clock: Clock,
}

impl Follower {
    /// Follows the Gatewright at this URL.
    pub(super) fn new(
        gateway: Arc<Gateway>,
        at: &Url,
        outbound: Outbound,
        clock: Clock,
    ) -> anyhow::Result<Follower> {
        let keys = at.join("/.well-known/biscuit-keys.json")?;
        let feed = at.join("/api/v1/revocations")?;
        Ok(Follower { gateway, outbound, keys, feed, clock })
    }

    /// Looks until it is stopped.
    pub(super) async fn follow(self, stop: CancellationToken) {
        let age = self.gateway.terms.max_feed_age.unsigned_abs();
        let pause = (age / LOOKS).clamp(*PAUSES.start(), *PAUSES.end());
        let mut failing = false;
        while stop.run_until_cancelled(sleep(pause)).await.is_some() {
            match self.look().await {
                Ok(()) if failing => tracing::info!("Gatewright answers again"),
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "cannot follow Gatewright")
                }
            }
            failing = !self.gateway.is_known();
        }
    }

    /// Reads the keys, and what was revoked since the last look.
    pub(super) async fn look(&self) -> anyhow::Result<()> {
        let keys: KeysDocument = self.get(self.keys.clone()).await?;
        self.gateway.publish(&keys)?;
        for _ in 0..PAGES_MAX {
            let mut next = self.feed.clone();
            next.query_pairs_mut().append_pair("since", &self.gateway.cursor());
            let page: SignedPage = self.get(next).await?;
            let more = page.page.more;
            self.gateway.revoke(page.check(&keys, self.clock.now())?)?;
            if !more {
                return Ok(());
            }
        }
        bail!("the feed has more than {PAGES_MAX} pages");
    }

    #[expect(clippy::disallowed_methods, reason = "a tool server asks for itself; nobody asked it")]
    async fn get<T: DeserializeOwned>(&self, url: Url) -> anyhow::Result<T> {
        let warrant = Warrant::system("follow_gateway", &self.clock);
        // The operator named it.
        let ask = Ask {
            time_max: ANSWER_TIME_MAX,
            bytes_max: ANSWER_BYTES_MAX,
            ..Ask::get(url.clone(), Reach::Configured)
        };
        let answer = self.outbound.call(&warrant, ask).await?;
        anyhow::ensure!(answer.status == StatusCode::OK, "`{url}` answers {}", answer.status);
        answer.json().with_context(|| format!("`{url}` does not answer as Gatewright does"))
    }
}
