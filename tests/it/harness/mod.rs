//! What the tests stand on.

pub mod address;
pub mod authenticator;
pub mod browser;
pub mod caller;
pub mod chromium;
pub mod client;
pub mod documents;
pub mod enrolled;
pub mod factor;
pub mod holder;
pub mod mcp_server;
pub mod openbao;
pub mod peer;
pub mod places;
pub mod policies;
pub mod postgres;
pub mod provider;
pub mod proxy;
pub mod samples;
pub mod secrets;
pub mod server;
pub mod service;
pub mod site;
pub mod stores;
pub mod traffic;
pub mod upstream;
pub mod wire;

use std::path::{Path, PathBuf};

pub use browser::Browser;
pub use caller::{Answer, Caller, send};
pub use holder::Holder;
pub use server::{ADMIN, Gate, PASSWORD, Setup};
pub use upstream::Upstream;
pub use wire::Wire;

/// Where scripts/test lays what Cargo does not bring.
pub fn tools() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools");
    std::env::var_os("GATEWRIGHT_TOOLS").map_or_else(default, PathBuf::from)
}
