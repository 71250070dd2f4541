//! `gatewright serve`

use std::process::ExitCode;

use tokio::signal::unix::SignalKind;

use super::server::Server;
use super::signals::{Stop, ignore};
use crate::clock::Clock;
use crate::log;
use crate::policy::bundles::Offer;
use crate::settings::Settings;

/// Serves until SIGTERM or SIGINT, then drains.
pub async fn run(settings: Settings, clock: Clock) -> anyhow::Result<ExitCode> {
    log::init(settings.log, clock.clone());
    log::panics();
    let stop = Stop::on(&[SignalKind::terminate(), SignalKind::interrupt()])?;
    ignore(&[SignalKind::hangup(), SignalKind::user_defined1(), SignalKind::user_defined2()])?;
    let policies = Offer::read(&settings.policy.schema_dir, &settings.policy.dir);
    tracing::info!(digest = policies.digest(), store = ?settings.database.url, "starting");
    let server = Server::start(settings, policies, clock).await?;
    tracing::info!(address = %server.address, url = %server.settings.public_url, "serving");
    stop.asked().await;
    tracing::info!("draining");
    server.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
