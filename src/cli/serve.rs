//! `gatewright serve`

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::SignalKind;

use super::server::Server;
use super::signals::{Stop, ignore};
use crate::authz::Survey;
use crate::clock::Clock;
use crate::log;
use crate::policy::bundles::Offer;
use crate::policy::{Bundle, Fault, Sources};
use crate::registry::Catalogue;
use crate::settings::Settings;
use crate::store::{self, Database};

/// Serves until SIGTERM or SIGINT, then drains.
pub async fn run(settings: Settings, clock: Clock) -> anyhow::Result<ExitCode> {
    log::init(settings.log, clock.clone());
    log::panics();
    let stop = Stop::on(&[SignalKind::terminate(), SignalKind::interrupt()])?;
    ignore(&[SignalKind::hangup(), SignalKind::user_defined1(), SignalKind::user_defined2()])?;
    let policies = Offer::directory(read(&settings).await?);
    tracing::info!(digest = policies.digest(), store = ?settings.database.url, "starting");
    let server = Server::start(settings, policies, clock).await?;
    tracing::info!(address = %server.address, url = %server.settings.public_url, "serving");
    stop.asked().await;
    tracing::info!("draining");
    server.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The policies on disk, or what is wrong with them. Where they look at the arguments of tools, the
/// store says which those are.
///
/// # Errors
/// The store is needed, and does not answer.
pub async fn read(settings: &Settings) -> anyhow::Result<Result<Bundle, Vec<Fault>>> {
    let policy = &settings.policy;
    let sources = match Sources::read(&policy.schema_dir, &policy.dir) {
        // A store that is not there yet knows no tools, and is not made for nothing.
        Ok(it) if it.may_name_calls() && settings.database.url.may_be_there() => it,
        Ok(it) => return Ok(Bundle::from_sources(it)),
        Err(faults) => return Ok(Err(faults)),
    };
    let db = store::open(&settings.database.url)?;
    db.migrate().await.context("bringing the store's schema up to date")?;
    with_tools_of(&*db, sources).await
}

/// The bundle of `sources`, with the tools of a store at hand.
///
/// # Errors
/// The store does not answer.
pub async fn with_tools_of(
    db: &dyn Database,
    sources: Sources,
) -> anyhow::Result<Result<Bundle, Vec<Fault>>> {
    let catalogue = Arc::new(Catalogue::load(db).await?);
    let survey = Survey { catalogue, directory: None, zones: None };
    Ok(Bundle::surveyed(sources, &survey))
}
