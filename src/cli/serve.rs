//! `gatewright serve`

use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::SignalKind;

use super::out::complain;
use super::server::Server;
use super::signals::{Stop, ignore};
use crate::clock::Clock;
use crate::log;
use crate::policy::Bundle;
use crate::settings::Settings;

/// Serves until SIGTERM or SIGINT, then drains.
pub async fn run(settings: Settings, clock: Clock) -> anyhow::Result<ExitCode> {
    log::init(settings.log, clock.clone());
    log::panics();
    let stop = Stop::on(&[SignalKind::terminate(), SignalKind::interrupt()])?;
    ignore(&[SignalKind::hangup(), SignalKind::user_defined1(), SignalKind::user_defined2()])?;
    let bundle = load(&settings)?;
    tracing::info!(digest = bundle.digest(), store = ?settings.database.url, "starting");
    let server = Server::start(settings, bundle, clock).await?;
    tracing::info!(address = %server.address, url = %server.settings.public_url, "serving");
    stop.asked().await;
    tracing::info!("draining");
    server.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The policies on disk; broken ones stop the start, each fault named.
pub fn load(settings: &Settings) -> anyhow::Result<Arc<Bundle>> {
    let policy = &settings.policy;
    Bundle::load(&policy.schema_dir, &policy.dir).map(Arc::new).map_err(|faults| {
        for fault in &faults {
            complain(&fault.to_string());
        }
        anyhow::anyhow!(
            "the policies have {} fault(s); nothing is decided by broken policies",
            faults.len()
        )
    })
}
