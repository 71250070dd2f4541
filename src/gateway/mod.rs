//! Calls of tools on behalf of those who may: the secret goes from its home into the call, and
//! never to the caller.

mod account;
mod action;
pub mod builtin;
mod calls;
mod earlier;
mod failure;
mod invoke;
mod machine_token;
pub mod mcp;
mod prober;
mod proof;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use self::builtin::Builtins;
use self::builtin::sandbox::{Launcher, Sandbox};
use crate::audit::Ledger;
use crate::authz::quota::Quota;
use crate::clock::Clock;
use crate::credentials::Credentials;
use crate::net::outbound::{Outbound, Reach};
use crate::secrets::Secrets;
use crate::settings::Settings;
use crate::store::Database;

use machine_token::MachineTokens;

pub use account::{ConnectAccount, DisconnectAccount};
pub use action::{Asker, Called, InvokeTool};
pub use earlier::Calls;
pub use failure::{Failure, FailureKind};
pub use invoke::{Invoked, Used};
pub use prober::Prober;
pub use upstream::{Along, Answered, Outgoing};

/// Calls tools, and writes down before and after.
pub struct Gateway {
    db: Arc<dyn Database>,
    ledger: Ledger,
    quota: Arc<Quota>,
    credentials: Arc<Credentials>,
    outbound: Arc<Outbound>,
    mcp: mcp::Client,
    secrets: Arc<Secrets>,
    machine_tokens: MachineTokens,
    builtins: Builtins,
    clock: Clock,
    sandbox: Sandbox,
    limits: Limits,
}

/// What a call of a tool may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Where tools may be.
    pub reach: Reach,
    /// From looking up the name to the last byte.
    pub time_max: Duration,
    pub bytes_max: usize,
}

/// What a gateway is made of.
pub struct Parts {
    pub db: Arc<dyn Database>,
    pub ledger: Ledger,
    pub quota: Arc<Quota>,
    pub credentials: Arc<Credentials>,
    pub outbound: Arc<Outbound>,
    pub secrets: Arc<Secrets>,
    pub clock: Clock,
}

impl Gateway {
    pub fn new(settings: &Settings, parts: Parts) -> anyhow::Result<Gateway> {
        let Parts { db, ledger, quota, credentials, outbound, secrets, clock } = parts;
        let limits = Limits {
            reach: reach(settings),
            time_max: Duration::from_secs(settings.gateway.timeout_seconds.into()),
            bytes_max: settings.gateway.response_bytes_max as usize,
        };
        let mcp = mcp::Client::new(outbound.clone(), clock.clone());
        let machine_tokens = MachineTokens::default();
        let sandbox = Sandbox::open(&settings.gateway, Launcher::this(), &clock)?;
        Ok(Gateway {
            db,
            ledger,
            quota,
            credentials,
            outbound,
            mcp,
            secrets,
            machine_tokens,
            builtins: Builtins::of(&settings.gateway),
            clock,
            sandbox,
            limits,
        })
    }
}

/// Where tools may be.
fn reach(settings: &Settings) -> Reach {
    match settings.probe.allow_private_networks {
        true => Reach::Private,
        false => Reach::Public,
    }
}
