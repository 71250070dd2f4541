//! What the operator decides: one type, read from defaults, a TOML file, `.env`, the environment
//! and flags, later ones winning, with every fault told at once.

mod approvals;
mod args;
mod audit;
mod auth;
mod check;
mod credentials;
mod database;
mod faults;
mod file;
mod gateway;
mod issuers;
mod keys;
mod log;
mod network;
mod origin;
mod policy;
mod production;
mod rate_limits;
mod risk;
mod rules;
mod secret;
mod secrets;
mod sources;
mod template;
#[cfg(test)]
mod tests;
mod variables;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use http::uri::Scheme;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use self::approvals::Approvals;
pub use self::args::SettingsArgs;
pub use self::audit::Audit;
pub use self::auth::Auth;
pub use self::credentials::Credentials;
pub use self::database::{Database, DatabaseUrl, NoDatabaseUrl};
pub use self::faults::{Fault, Faults, Source};
pub use self::gateway::{Actions, Gateway, Probe, SearchKind};
pub use self::issuers::{
    IssuerName, IssuerUrl, SignInIssuer, Signing, Subjects, TrustedIssuer, Word, WorkloadIssuer,
};
pub use self::log::{Log, LogFormat, LogLevel};
pub use self::network::{Cors, Metrics, Outbound, Tls};
pub use self::origin::{NoOrigin, Origin};
pub use self::policy::Policy;
pub use self::rate_limits::{NoRateLimit, RateLimit, RateLimits};
pub use self::risk::{Networks, Risk};
pub use self::secrets::{NoVaultPath, Secrets, Vault, VaultPath};
pub use self::template::template;

use self::sources::Gathered;

/// The settings' file, where no other is named.
const FILE: &str = "gatewright.toml";

/// What the settings' variables begin with.
const PREFIX: &str = "GATEWRIGHT_";

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Everything that is set. The fields and their comments are also the names, flags and
/// documentation that the operator sees. A secret among them prints as redacted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address and port of the API.
    pub listen: SocketAddr,
    /// Address that callers use, such as `https://gate.example`; the listener's own when not set.
    pub public_url: Origin,
    /// Production refuses weak secrets, plain HTTP and whatever else is for trying out only.
    pub environment: Environment,
    pub database: Database,
    pub policy: Policy,
    pub auth: Auth,
    pub risk: Risk,
    pub credentials: Credentials,
    pub vault: Vault,
    pub secrets: Secrets,
    pub rate_limits: RateLimits,
    pub cors: Cors,
    pub tls: Tls,
    pub metrics: Metrics,
    pub outbound: Outbound,
    pub probe: Probe,
    pub gateway: Gateway,
    pub approvals: Approvals,
    pub actions: Actions,
    pub audit: Audit,
    pub log: Log,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    #[default]
    Development,
    Production,
}

impl Environment {
    pub fn is_production(self) -> bool {
        self == Environment::Production
    }
}

impl Settings {
    /// Reads the settings. `environment` is what [`std::env::vars_os`] gives; `cwd` is where
    /// `gatewright.toml`, `.env` and relative paths are looked up. Files are read, and nothing
    /// is changed.
    ///
    /// # Errors
    /// Everything that is wrong in any source, or with the settings taken together.
    pub fn load(
        args: &SettingsArgs,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        cwd: &Path,
    ) -> Result<Settings, Faults> {
        let mut all = sources::gather(args, environment, cwd);
        let settings = match Settings::from_given(&all) {
            Ok(it) => it,
            Err(error) => {
                all.refuse(Source::Default, "", error.to_string(), String::new());
                return Err(Faults(all.faults));
            }
        };
        // What an unreadable source says is unknown, so nothing is judged by its absence.
        if !all.incomplete {
            rules::apply(&settings, &mut all, cwd);
        }
        if all.faults.is_empty() { Ok(settings) } else { Err(Faults(all.faults)) }
    }

    /// The values that fit, over the defaults, some of which follow from other settings.
    fn from_given(all: &Gathered) -> Result<Settings, serde_json::Error> {
        let mut document = json!({});
        for (name, it) in &all.given {
            let place = name.split('.').fold(&mut document, |at, part| &mut at[part]);
            *place = it.value.clone();
        }
        let mut settings: Settings = serde_json::from_value(document)?;
        if !all.given.contains_key("public_url") {
            let tls = settings.tls.cert_file.is_some();
            let scheme = if tls { Scheme::HTTPS } else { Scheme::HTTP };
            settings.public_url = Origin::of_listener(&scheme, settings.listen);
        }
        if !all.given.contains_key("auth.issuer") {
            settings.auth.issuer = settings.public_url.to_string();
        }
        if !all.given.contains_key("auth.audience") {
            settings.auth.audience = settings.public_url.to_string();
        }
        Ok(settings)
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: LISTEN,
            public_url: Origin::default(),
            environment: Environment::default(),
            database: Database::default(),
            policy: Policy::default(),
            auth: Auth::default(),
            risk: Risk::default(),
            credentials: Credentials::default(),
            vault: Vault::default(),
            secrets: Secrets::default(),
            rate_limits: RateLimits::default(),
            cors: Cors::default(),
            tls: Tls::default(),
            metrics: Metrics::default(),
            outbound: Outbound::default(),
            probe: Probe::default(),
            gateway: Gateway::default(),
            approvals: Approvals::default(),
            actions: Actions::default(),
            audit: Audit::default(),
            log: Log::default(),
        }
    }
}
