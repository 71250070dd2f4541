//! Looks at MCP servers: before they are registered, when somebody asks, and before the last look is
//! too old to be believed.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::mcp::{Client, Limits, Preference, Probe, Target};
use super::proof::SECRET_BYTES_MIN;
use crate::authn::{Caller, ProbeLimits};
use crate::authz::Warrant;
use crate::clock::Clock;
use crate::net::outbound::{Outbound, Reach};
use crate::patience::outside;
use crate::registry::{Auth, Found, HEADER, Probed, Remote, Transport};
use crate::secrets::{Scrubber, Values};
use crate::settings::Settings;
use crate::{Error, Result, metrics};

const BYTES_MAX: usize = 2 * 1024 * 1024;
/// More tools than this on one server are a catalogue, not a server.
const TOOLS_MAX: usize = 256;
const SECOND: i64 = 1_000_000;

/// Probes servers, as often as the settings allow.
pub struct Prober {
    client: Client,
    clock: Clock,
    reach: Reach,
    limits: Limits,
    asked: ProbeLimits,
    stale_after: i64,
}

impl Prober {
    pub fn new(settings: &Settings, outbound: Arc<Outbound>, clock: Clock) -> Prober {
        let limits = Limits {
            time_max: Duration::from_secs(settings.probe.timeout_seconds.into()),
            bytes_max: BYTES_MAX,
            tools_max: TOOLS_MAX,
        };
        Prober {
            client: Client::new(outbound, clock.clone()),
            clock,
            reach: super::reach(settings),
            limits,
            asked: ProbeLimits::new(&settings.rate_limits),
            stale_after: i64::from(settings.probe.stale_after_seconds) * SECOND,
        }
    }

    /// How long a probe is believed: microseconds.
    pub fn stale_after(&self) -> i64 {
        self.stale_after
    }

    /// Probes a server because a caller asks for it.
    ///
    /// # Errors
    /// The caller asked too often. What is wrong with the server is part of what was found.
    pub async fn probe_for(
        &self,
        (caller, warrant): (&Caller, &Warrant),
        server: &Remote,
        secrets: &Values,
    ) -> Result<Found> {
        self.asked.admit(caller)?;
        Ok(self.probe(warrant, server, secrets).await)
    }

    /// The same, where a server that cannot be used is an error.
    ///
    /// # Errors
    /// [`Error::ProbeFailed`] with what is wrong.
    pub async fn expect_for(
        &self,
        (caller, warrant): (&Caller, &Warrant),
        server: &Remote,
        secrets: &Values,
    ) -> Result<Found> {
        let found = self.probe_for((caller, warrant), server, secrets).await?;
        match found.probed.error {
            Some(why) => Err(Error::ProbeFailed(format!("the server cannot be used: {why}"))),
            None => Ok(found),
        }
    }

    /// Probes a server.
    pub async fn probe(&self, warrant: &Warrant, server: &Remote, secrets: &Values) -> Found {
        let probe = match self.target(server, secrets) {
            Some(target) => outside(self.client.probe(warrant, &target, self.limits)).await,
            None => Probe::unreadable(),
        };
        // All that is known of the server, sent or not: none of it is to be kept with the tools.
        let secrets = secrets.iter().map(|(_, value)| value);
        let secrets = secrets.filter(|it| it.expose_secret().len() >= SECRET_BYTES_MIN);
        let scrubber = Scrubber::new(secrets);
        let probe = probe.scrubbed(&scrubber);
        let outcome = match &probe.failure {
            Some(it) => it.code(),
            None if probe.requires_auth => "requires_auth",
            None => "ok",
        };
        metrics::probe(outcome);
        warrant.note("probe", outcome);
        self.found(probe)
    }

    fn found(&self, probe: Probe) -> Found {
        let at = self.clock.micros();
        let probed = Probed {
            id: self.clock.new_id(),
            at,
            ok: probe.is_ok(),
            dialect: probe.dialect,
            server_info: probe.server_info,
            requires_auth: probe.requires_auth,
            resource_metadata: probe.resource_metadata,
            response_time_ms: u64::try_from(probe.response_time.as_millis()).unwrap_or(u64::MAX),
            tool_count: probe.tools.len(),
            valid_until: probe.failure.is_none().then(|| at.saturating_add(self.stale_after)),
            error: probe.failure.map(|it| it.to_string()),
        };
        Found { tools: (!probed.requires_auth).then_some(probe.tools), probed }
    }

    /// Where the server is, with what it is shown. Secrets that are not known are left out: it says
    /// itself that it misses them.
    fn target(&self, server: &Remote, secrets: &Values) -> Option<Target> {
        let mut headers = HeaderMap::new();
        let mut add = |name: &str, value: &str| {
            let mut value = HeaderValue::from_str(value).ok()?;
            value.set_sensitive(true);
            headers.insert(HeaderName::try_from(name).ok()?, value);
            Some(())
        };
        let secret = |name: &str| secrets.get(name).map(SecretString::expose_secret);
        for name in server.static_headers.keys() {
            if let Some(value) = secret(&format!("{HEADER}{name}")) {
                add(name, value)?;
            }
        }
        if let (Auth::Bearer, Some(token)) = (&server.auth, secret("token")) {
            add(AUTHORIZATION.as_str(), &format!("Bearer {token}"))?;
        }
        Some(Target {
            url: Url::parse(&server.server_url).ok()?,
            reach: self.reach,
            preference: server.transport_preference.into(),
            headers,
            known: None,
        })
    }
}

impl From<Transport> for Preference {
    fn from(it: Transport) -> Preference {
        match it {
            Transport::Auto => Preference::Auto,
            Transport::StreamableHttp => Preference::StreamableHttp,
            Transport::Sse => Preference::Sse,
        }
    }
}
