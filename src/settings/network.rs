//! Settings of the network: the listeners' TLS, CORS, the metrics' own address, and calls to the
//! outside.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::origin::Origin;

/// Web pages of other origins that may call the API from a browser.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cors {
    /// Their origins, such as `https://console.example`; never `*`.
    pub allowed_origins: Vec<Origin>,
}

/// TLS on the listener; without these files it speaks plain HTTP.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Certificate chain, PEM.
    #[schemars(example = &"tls/server.pem")]
    pub cert_file: Option<PathBuf>,
    /// Private key of the certificate, PEM.
    #[schemars(example = &"tls/server.key")]
    pub key_file: Option<PathBuf>,
    /// Authorities whose client certificates are asked for, PEM; no other client gets in.
    #[schemars(example = &"tls/clients.pem")]
    pub client_ca_file: Option<PathBuf>,
}

/// Figures for Prometheus.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Address and port of their own for `/metrics`, which then leaves the API's listener.
    #[schemars(example = &"127.0.0.1:9090")]
    pub listen: Option<SocketAddr>,
}

/// Calls to the outside. What strangers name is called by https at public addresses only.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Outbound {
    /// Authorities that are trusted beside the system's own, PEM.
    #[schemars(example = &"tls/company.pem")]
    pub ca_file: Option<PathBuf>,
    /// Origins on private networks that may be called although a stranger names them, such as
    /// `https://clients.corp.example`; plain http is used where it is written.
    pub internal_origins: Vec<Origin>,
}
