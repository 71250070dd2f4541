//! The one client for calls to the outside: every key set, metadata document, probe and tool call
//! goes through it, so that the rules about addresses hold everywhere.
//!
//! It follows no redirect, takes no proxy from the environment, and never reads more nor waits
//! longer than its caller allows.

mod address;
mod answer;
mod documents;
mod failure;
#[cfg(test)]
pub(crate) mod fixture;
mod incoming;
mod resolver;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Method};
use reqwest::{Certificate, Client, redirect};
use url::Url;

use crate::authz::Warrant;
use crate::clock::Clock;
use crate::metrics;
use crate::settings;

use self::resolver::Resolver;

pub use self::answer::{Answer, media_type};
pub use self::documents::{Documents, Keeping};
pub use self::failure::Failure;
pub use self::incoming::Incoming;
pub use self::target::{Reach, Unfit};

/// How long a connection that nobody uses stays open.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);
const USER_AGENT: &str = concat!("gatewright/", env!("CARGO_PKG_VERSION"));

/// One call.
#[derive(Debug)]
pub struct Ask {
    pub method: Method,
    pub url: Url,
    pub reach: Reach,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// From looking up the name to the last byte.
    pub time_max: Duration,
    /// The body of the answer is refused beyond this.
    pub bytes_max: usize,
}

/// Calls URLs inside their reach.
pub struct Outbound {
    /// Two clients, so that a connection that one reach opened never serves the other.
    public: Client,
    configured: Client,
    /// Origins on private networks that strangers may name.
    internal: BTreeSet<String>,
    clock: Clock,
}

impl Outbound {
    /// A client that trusts the system's authorities, and the operator's.
    ///
    /// # Errors
    /// The file of authorities cannot be read or understood.
    pub fn new(settings: &settings::Outbound, clock: Clock) -> anyhow::Result<Outbound> {
        let authorities = match &settings.ca_file {
            Some(path) => authorities(path)?,
            None => Vec::new(),
        };
        let internal = settings.internal_origins.iter().map(ToString::to_string).collect();
        Ok(Outbound {
            public: client(Reach::Public, &authorities)?,
            configured: client(Reach::Configured, &authorities)?,
            internal,
            clock,
        })
    }

    /// Makes the call; an answer is an answer, whatever its status.
    ///
    /// # Errors
    /// The URL may not be called, nobody answers, or the answer is larger or later than allowed.
    pub async fn call(&self, _: &Warrant, ask: Ask) -> Result<Answer, Failure> {
        self.measured(async { self.begin(ask).await?.whole().await }).await
    }

    /// Makes the call, and gives the answer once its head is there: the body comes in parts, within
    /// the very limits of the ask. What is measured is the time to the head.
    ///
    /// # Errors
    /// The URL may not be called, or nobody answers in time.
    pub async fn open(&self, _: &Warrant, ask: Ask) -> Result<Incoming, Failure> {
        self.measured(self.begin(ask)).await
    }

    async fn measured<T>(
        &self,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let start = self.clock.monotonic();
        let called = call.await;
        let outcome = called.as_ref().map_or_else(Failure::outcome, |_| "answered");
        metrics::outbound(outcome, start.elapsed());
        called
    }

    /// The reach of a URL that a stranger named: further where the operator listed its origin.
    fn reach(&self, ask: &Ask) -> Reach {
        match ask.reach {
            Reach::Public if self.is_internal(&ask.url) => Reach::Configured,
            reach => reach,
        }
    }

    fn is_internal(&self, url: &Url) -> bool {
        self.internal.contains(&url.origin().ascii_serialization())
    }

    async fn begin(&self, ask: Ask) -> Result<Incoming, Failure> {
        let reach = self.reach(&ask);
        match reach.check(&ask.url) {
            Err(Unfit::NotHttps) if ask.url.scheme() == "http" && self.is_internal(&ask.url) => {}
            Err(unfit) => return Err(Failure::Unfit { url: ask.url.into(), unfit }),
            Ok(()) => {}
        }
        let client = match reach {
            Reach::Public => &self.public,
            Reach::Configured | Reach::Private => &self.configured,
        };
        let host = ask.url.host_str().unwrap_or_default().to_owned();
        let mut request = client.request(ask.method, ask.url.clone()).headers(ask.headers);
        if !ask.body.is_empty() {
            request = request.body(ask.body);
        }
        match request.timeout(ask.time_max).send().await {
            Ok(it) => Ok(Incoming::new(ask.url, host, it, ask.time_max, ask.bytes_max)),
            Err(error) => Err(Failure::of(host, ask.time_max, error)),
        }
    }
}

impl Ask {
    /// Reads a URL; for a call of another kind, change what differs.
    pub fn get(url: Url, reach: Reach) -> Ask {
        Ask {
            method: Method::GET,
            url,
            reach,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            time_max: Duration::from_secs(5),
            bytes_max: 64 * 1024,
        }
    }
}

/// A client for a library that calls one place which the operator named in the settings, trusting
/// the authorities in this file beside the system's own. Where it connects to, redirects and
/// proxies are as for every call; time and size are for its borrower to limit.
///
/// # Errors
/// The file of authorities cannot be read or understood.
pub fn lend(ca_file: Option<&Path>) -> anyhow::Result<Client> {
    client(Reach::Configured, &ca_file.map(authorities).transpose()?.unwrap_or_default())
}

fn client(reach: Reach, authorities: &[Certificate]) -> anyhow::Result<Client> {
    // Whoever came first has installed the same one; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        Client::builder()
            .dns_resolver(Resolver::new(reach))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .pool_idle_timeout(IDLE_TIME_MAX)
            .user_agent(USER_AGENT)
    };
    if !authorities.is_empty() {
        return Ok(builder().tls_certs_merge(authorities.iter().cloned()).build()?);
    }
    // A machine without authorities can serve; it only cannot call.
    builder().build().or_else(|error| {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, "no system authorities: nothing outside is trusted; install them or set `outbound.ca_file`");
        Ok(builder().tls_certs_only([]).build()?)
    })
}

fn authorities(path: &Path) -> anyhow::Result<Vec<Certificate>> {
    let read = || anyhow::Ok(Certificate::from_pem_bundle(&fs::read(path)?)?);
    let found =
        read().with_context(|| format!("reading the authorities in `{}`", path.display()))?;
    anyhow::ensure!(!found.is_empty(), "`{}` holds no certificate", path.display());
    Ok(found)
}
