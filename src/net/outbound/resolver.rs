//! Looks up names for the client, and gives it no address that it must not connect to.
//!
//! The client connects to the very addresses that were judged here: a name server that changes its
//! mind between a check and the connection (DNS rebinding) finds no gap between the two.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::target::{Reach, is_localhost};

/// A look-up holds a thread until the system's resolver gives up, however long its caller waits.
const LOOKUPS_MAX: usize = 32;

/// The name has no address, or one that its caller must not reach; which of the two is not told,
/// since strangers would learn names of private networks by it.
#[derive(Debug, thiserror::Error)]
#[error("has no address that may be called")]
pub(super) struct NoAddress {
    source: Option<io::Error>,
}

/// The system's resolver, inside one reach.
pub(super) struct Resolver {
    reach: Reach,
    lookups: Arc<Semaphore>,
}

impl Resolver {
    pub fn new(reach: Reach) -> Resolver {
        Resolver { reach, lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, lookups) = (self.reach, self.lookups.clone());
        Box::pin(async move {
            let addresses = addresses(name.as_str().to_ascii_lowercase(), lookups).await;
            let addresses = judged(reach, addresses)?;
            // The port is the URL's own.
            Ok(Box::new(addresses.into_iter().map(|it| SocketAddr::new(it, 0))) as Addrs)
        })
    }
}

async fn addresses(name: String, lookups: Arc<Semaphore>) -> io::Result<Vec<IpAddr>> {
    if is_localhost(&name) {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
    // On a task of its own, so that the permit is kept for as long as the thread is.
    let lookup = tokio::spawn(async move {
        let found = tokio::net::lookup_host((name, 0)).await;
        drop(permit);
        found.map(|it| it.map(|it| it.ip()).collect())
    });
    lookup.await.map_err(io::Error::other)?
}

/// All of a name's addresses, if each may be called: a name that has a public address and a private
/// one was made to pass a check.
fn judged(reach: Reach, found: io::Result<Vec<IpAddr>>) -> Result<Vec<IpAddr>, NoAddress> {
    let addresses = found.map_err(|it| NoAddress { source: Some(it) })?;
    let all = !addresses.is_empty() && addresses.iter().all(|it| reach.covers(*it));
    if all { Ok(addresses) } else { Err(NoAddress { source: None }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_address_spoils_a_name() {
        let judge = |reach, texts: &[&str]| {
            judged(reach, Ok(texts.iter().map(|it| it.parse().unwrap()).collect())).is_ok()
        };
        for (texts, public, configured) in [
            (&[][..], false, false),
            (&["8.8.8.8", "2606:4700::1111"], true, true),
            (&["8.8.8.8", "127.0.0.1"], false, true),
            (&["10.0.0.1"], false, true),
            (&["8.8.8.8", "169.254.169.254"], false, false),
            (&["2606:4700::1111", "fe80::1"], false, false),
        ] {
            assert_eq!(judge(Reach::Public, texts), public, "{texts:?}");
            assert_eq!(judge(Reach::Configured, texts), configured, "{texts:?}");
        }
    }

    #[tokio::test]
    async fn localhost_is_looked_up_nowhere() {
        let none = Arc::new(Semaphore::new(0));
        let found = addresses("deep.inside.localhost".into(), none).await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback) && found.len() == 2);
    }
}
