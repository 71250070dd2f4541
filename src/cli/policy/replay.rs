//! `gatewright policy replay`: recorded decisions under policies that don't decide yet.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use uuid::Uuid;

use super::folders::Folders;
use super::host::{Host, HostArgs};
use super::told;
use crate::audit::past::Past;
use crate::cli::api::{Api, ApiArgs, Failure, end};
use crate::cli::exit;
use crate::cli::out::{complain, say};
use crate::clock::{Clock, instant};
use crate::policy::Bundle;
use crate::policy::replay::{Bounds, Replaying, Report, Since, gather};

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The id of a bundle on the server, which replays it; without one, the policies in --dir are
    /// replayed here, on the store of this host
    bundle: Option<Uuid>,
    #[command(flatten)]
    folders: Folders,
    /// Where the window begins: 30d, 12h, 15m, or an RFC 3339 timestamp
    #[arg(long, default_value = "30d")]
    since: Since,
    /// Exit with 1 when decisions open (or nobody knows whether they do), or when any turns
    #[arg(long, value_enum)]
    fail_on: Option<FailOn>,
    #[command(flatten)]
    host: HostArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Opened,
    Any,
}

impl FailOn {
    /// Whether the report is a failure. Where too much is unknown, it may open anything.
    fn is_met(self, report: &Report) -> bool {
        let replay = &report.replay;
        let opens = replay.opened_count() > 0 || report.unknown || report.left_out.is_some();
        opens || self == FailOn::Any && replay.closed_count() > 0
    }
}

pub async fn run(args: ReplayArgs, clock: &Clock) -> anyhow::Result<ExitCode> {
    let report = match args.bundle {
        Some(id) => match on_server(id, &args, clock).await {
            Ok(report) => report,
            Err(failure) => return Ok(end(Err(failure))),
        },
        None => match args.folders.sources().and_then(Bundle::tested_before) {
            Ok(candidate) => here(Arc::new(candidate), &args, clock).await?,
            Err(faults) => return Ok(told(&faults)),
        },
    };
    match args.api.is_for_people() {
        true => say(report.to_string().trim_end()),
        false => say(&serde_json::to_string_pretty(&report)?),
    }
    if args.fail_on.is_some_and(|it| it.is_met(&report)) {
        complain("the policies turn decisions that they are not meant to turn");
        return Ok(ExitCode::from(exit::FAILED));
    }
    Ok(ExitCode::from(exit::DONE))
}

async fn on_server(id: Uuid, args: &ReplayArgs, clock: &Clock) -> Result<Report, Failure> {
    let api = Api::open(&args.api).await?.patient();
    let since = instant(args.since.micros(clock.now()));
    let report = api.act(&format!("/api/v1/bundles/{id}/replay?since={since}")).await?;
    Ok(serde_json::from_value(report).map_err(anyhow::Error::from)?)
}

async fn here(candidate: Arc<Bundle>, args: &ReplayArgs, clock: &Clock) -> anyhow::Result<Report> {
    let host = Host::open(&args.host)?;
    let at_hand = host.at_hand().await?.with(candidate.clone());
    let since = args.since.micros(clock.now());
    let past = Past::of(host.db, since).as_of_now().await?;
    let replaying = Replaying::new(candidate.clone(), Arc::new(at_hand));
    let bounds = Bounds::of_host();
    let (done, left_out) = gather(replaying, past, bounds, clock).await?;
    Ok(Report::new(candidate.digest(), instant(since), done.so_far, left_out))
}
