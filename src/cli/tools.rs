//! `gatewright tools serve`: tool servers that verify credentials offline.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::SignedDuration;
use reqwest::Url;
use tokio::signal::unix::SignalKind;

use super::signals::Stop;
use super::token::fetch;
use crate::clock::Clock;
use crate::log;
use crate::net::tls::{Clients, Files};
use crate::settings::{Log, LogFormat, LogLevel, Origin};
use crate::tools::calculator::Calculator;
use crate::tools::records::{Format, Records, load};
use crate::tools::{Options, Provider, Seat, ToolServer};

#[derive(Debug, Subcommand)]
pub enum ToolsCommand {
    /// Run a tool server: MCP at /mcp, for whoever shows a credential of the gateway's
    #[command(subcommand)]
    Serve(ServeTool),
}

#[derive(Debug, Subcommand)]
pub enum ServeTool {
    /// Exact arithmetic: the tool `calculate`
    Calculator(Serving),
    /// Full-text search over a file of records: the tools `search` and `get`
    Records(ServeRecords),
}

#[derive(Debug, Args)]
pub struct ServeRecords {
    /// The records: CSV with names in the first line, or a JSON object a line
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// How the file is written; told by the end of its name unless it is said
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    serving: Serving,
}

#[derive(Debug, Args)]
pub struct Serving {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// The Gatewright whose credentials are good
    #[arg(long, value_name = "URL", value_parser = fetch::url)]
    gateway: Url,
    /// The name that the server is registered by; a credential is for the tool NAME__TOOL
    #[arg(long)]
    name: Option<String>,
    /// A scope that a credential must grant; all of them, where it is said more than once
    #[arg(long = "scope", value_name = "SCOPE", default_value = "call")]
    scopes: Vec<String>,
    /// Admit nothing when the revocation feed is older than this
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    max_feed_age: u32,
    /// The issuer that credentials must name; without it, the one that the keys come with
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Where callers reach the server, without path; at its address, where it is not said
    #[arg(long, value_name = "URL")]
    public_url: Option<Origin>,
    /// A name that the server answers to, beside that URL's, its address and this machine's own
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Certificate chain, PEM: serve TLS
    #[arg(long, value_name = "FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,
    /// Authorities that the gateway's certificate may be of, beside the system's own, PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Write the log as JSON
    #[arg(long)]
    json_log: bool,
}

impl Serving {
    fn options(self, name: &str) -> Options {
        let tls = self.cert_file.zip(self.key_file).map(|(certificate, key)| Files {
            certificate,
            key,
            clients: Clients::Unasked,
        });
        Options {
            hosts: self.hosts,
            public_url: self.public_url,
            tls,
            gateway: self.gateway,
            ca_file: self.ca_file,
            issuer: self.issuer,
            name: self.name.unwrap_or_else(|| name.to_owned()),
            scopes: self.scopes,
            max_feed_age: SignedDuration::from_secs(self.max_feed_age.into()),
        }
    }
}

impl ServeTool {
    fn serving(&self) -> &Serving {
        match self {
            ServeTool::Calculator(it) => it,
            ServeTool::Records(it) => &it.serving,
        }
    }
}

/// Serves until SIGTERM or SIGINT, then drains.
pub async fn run(command: ToolsCommand, clock: Clock) -> anyhow::Result<ExitCode> {
    let ToolsCommand::Serve(which) = command;
    let format = if which.serving().json_log { LogFormat::Json } else { LogFormat::Text };
    log::init(Log { level: LogLevel::Info, format }, clock.clone());
    log::panics();
    let stop = Stop::on(&[SignalKind::terminate(), SignalKind::interrupt()])?;
    let seat = Seat::take(which.serving().listen)?;
    let (provider, options): (Arc<dyn Provider>, _) = match which {
        ServeTool::Calculator(it) => (Arc::new(Calculator), it.options("calculator")),
        ServeTool::Records(it) => {
            let records = records(&it.data, it.format, &clock)?;
            (Arc::new(records), it.serving.options("records"))
        }
    };
    let server = ToolServer::start(seat, provider, options, clock).await?;
    tracing::info!(address = %server.address, "serving");
    stop.asked().await;
    tracing::info!("draining");
    server.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn records(data: &Path, format: Option<Format>, clock: &Clock) -> anyhow::Result<Records> {
    let name = || format!("`{}`", data.display());
    let format = format.or_else(|| Format::of(data));
    let format = format.with_context(|| format!("{} ends in neither .csv nor .jsonl", name()))?;
    let file = File::open(data).with_context(|| format!("cannot read {}", name()))?;
    let index = load(file, format, clock).with_context(name)?;
    tracing::info!(records = index.count()?, data = %data.display(), "loaded");
    Ok(Records::new(index))
}
