//! A running tool server: its listener, what it follows, and an orderly end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;

use anyhow::Context as _;
use http::uri::Scheme;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Provider;
use super::follow::Follower;
use super::front::Front;
use super::gateway::{Gateway, Terms};
use super::mcp::Server;
use crate::clock::Clock;
use crate::net::host::{Hosts, Origins};
use crate::net::outbound::Outbound;
use crate::net::tls::{Acceptor, Files, LOOK_EVERY};
use crate::net::{self, Limits};
use crate::settings::{self, Origin};

/// How a tool server is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names that it answers to, beside its address and this machine's own.
    pub hosts: Vec<String>,
    /// Where callers reach it; at its address, where it is not said.
    pub public_url: Option<Origin>,
    pub tls: Option<Files>,
    /// The Gatewright whose credentials are good.
    pub gateway: Url,
    /// Authorities that the Gatewright's certificate may be of, beside the system's own.
    pub ca_file: Option<PathBuf>,
    /// The issuer that credentials must name; whoever publishes the keys, where it is not said.
    pub issuer: Option<String>,
    /// The server's name at Gatewright, where its tools are `<name>__<tool>`.
    pub name: String,
    /// What a credential must grant, all of it.
    pub scopes: Vec<String>,
    /// Nothing is admitted once the revocation feed is older.
    pub max_feed_age: SignedDuration,
}

/// A port that a tool server is going to listen on. Nobody is answered yet.
pub struct Seat {
    listener: TcpListener,
    pub address: SocketAddr,
}

impl Seat {
    /// Opens the port; to be called within the runtime.
    ///
    /// # Errors
    /// The address is taken, not ours, or not permitted.
    pub fn take(listen: SocketAddr) -> anyhow::Result<Seat> {
        let listener = net::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.local_addr()?;
        Ok(Seat { listener, address })
    }
}

pub struct ToolServer {
    pub address: SocketAddr,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl ToolServer {
    /// Starts to serve. Gatewright need not be there yet, and until it is, nothing is admitted.
    ///
    /// # Errors
    /// The options cannot be used.
    pub async fn start(
        Seat { listener, address }: Seat,
        provider: Arc<dyn Provider>,
        options: Options,
        clock: Clock,
    ) -> anyhow::Result<ToolServer> {
        let hosts = hosts(&options, address)?;
        let scheme = if options.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let tls = options.tls.map(Acceptor::open).transpose()?.map(Arc::new);
        anyhow::ensure!(!options.scopes.is_empty(), "name a scope that a credential must grant");
        let terms = Terms {
            name: options.name.clone(),
            scopes: options.scopes,
            issuer: options.issuer,
            max_feed_age: options.max_feed_age,
            url: options.public_url.unwrap_or_else(|| Origin::of_listener(&scheme, address)),
        };
        let gateway = Arc::new(Gateway::new(terms, clock.clone())?);
        let calls = settings::Outbound { ca_file: options.ca_file, internal_origins: Vec::new() };
        let outbound = Outbound::new(&calls, clock.clone())?;
        let follower = Follower::new(gateway.clone(), &options.gateway, outbound, clock.clone())?;
        if let Err(error) = follower.look().await {
            tracing::warn!(error = format!("{error:#}"), "cannot follow Gatewright yet");
        }
        let room = Arc::new(Semaphore::new(available_parallelism().map_or(2, |it| it.get() * 2)));
        let server = Server { name: options.name, provider, room, clock };
        let front = Front::new(server, gateway, hosts, Origins::new([])?);
        let stop = CancellationToken::new();
        if let Some(acceptor) = &tls {
            tokio::spawn(acceptor.clone().watch(LOOK_EVERY, stop.clone()));
        }
        let serve = net::serve(listener, tls, Limits::default(), front, stop.clone());
        let tasks = vec![tokio::spawn(serve), tokio::spawn(follower.follow(stop.clone()))];
        Ok(ToolServer { address, stop, tasks })
    }

    /// Stops taking connections, lets calls under way finish, and ends.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            // A task that panicked has stopped, too.
            let _ = task.await;
        }
    }
}

/// The names it answers to: those it was told, its address, and this machine's own.
fn hosts(options: &Options, address: SocketAddr) -> anyhow::Result<Hosts> {
    let mut names = options.hosts.clone();
    names.extend(options.public_url.as_ref().map(|it| it.host().to_owned()));
    let everywhere = address.ip().is_unspecified();
    if !everywhere {
        names.push(address.to_string());
    }
    let hosts = Hosts::new(names)?.and_loopback();
    Ok(if everywhere { hosts.and_addresses() } else { hosts })
}
