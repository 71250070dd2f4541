//! `gatewright policy explain`: why a decision is what it is, of a server or from a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::Value;
use uuid::Uuid;

use super::folders::Folders;
use super::told;
use crate::audit::Entry;
use crate::authz::case::Case;
use crate::authz::explain::{Explanation, Reach, STACK_BYTES, Sight, explain};
use crate::cli::api::{Api, ApiArgs, Failure, end};
use crate::cli::out::say;
use crate::policy::Bundle;

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The decision's id, as a denial or the audit names it
    #[arg(required_unless_present = "entry", value_name = "DECISION_ID")]
    decision: Option<Uuid>,
    /// Explain an entry of the audit that lies in this file, by the policies on disk, without a server
    #[arg(long, value_name = "FILE", conflicts_with = "decision")]
    entry: Option<PathBuf>,
    /// The zone in which the organization's hours count, where there is no server to say
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone)]
    home_time_zone: TimeZone,
    #[command(flatten)]
    folders: Folders,
    #[command(flatten)]
    api: ApiArgs,
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|it| it.to_string())
}

pub async fn run(args: ExplainArgs) -> anyhow::Result<ExitCode> {
    match (&args.entry, args.decision) {
        (Some(file), _) => offline(file, &args),
        (None, Some(decision)) => Ok(end(online(decision, &args.api).await)),
        (None, None) => Err(anyhow!("name a decision, or a file with `--entry`")),
    }
}

async fn online(decision: Uuid, args: &ApiArgs) -> Result<(), Failure> {
    let api = Api::open(args).await?;
    let path = format!("/api/v1/decisions/{decision}/explain");
    match api.is_for_people() {
        true => say(api.text(&path).await?.trim_end()),
        false => api.show(&api.get(&path).await?),
    }
    Ok(())
}

fn offline(file: &Path, args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let entry = read(file)?;
    let bundle = match args.folders.bundle() {
        Ok(it) => Arc::new(it),
        Err(faults) => return Ok(told(&faults)),
    };
    let case = Case::of_entry(&entry).context("the decision cannot be made again")?;
    let explanation = explained(case, bundle.clone(), args.home_time_zone.clone())?;
    let is_other = entry.bundle.as_deref().is_some_and(|it| it != bundle.digest());
    if !args.api.is_for_people() {
        let mut answer = serde_json::to_value(&explanation)?;
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("bundle".into(), entry.bundle.into());
            answer.insert("explained_by".into(), bundle.digest().into());
        }
        say(&format!("{answer:#}"));
        return Ok(ExitCode::SUCCESS);
    }
    say(explanation.to_string().trim_end());
    if is_other {
        say("note: another bundle decided; this is how the policies on disk decide");
    }
    Ok(ExitCode::SUCCESS)
}

/// An entry by itself, or where it stands in the tree, as the API lists it.
fn read(file: &Path) -> anyhow::Result<Entry> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read `{}`", file.display()))?;
    let no_entry = || format!("`{}` is no entry of the audit", file.display());
    let mut value: Value = serde_json::from_str(&text).with_context(no_entry)?;
    let inner = value.get_mut("entry").map(Value::take);
    serde_json::from_value(inner.unwrap_or(value)).with_context(no_entry)
}

fn explained(case: Case, bundle: Arc<Bundle>, home: TimeZone) -> anyhow::Result<Explanation> {
    let work = move || explain(&case, &bundle, &Reach::at_home(home), &Sight::whole());
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work)?;
    let explanation = thread.join().map_err(|_| anyhow!("the explanation stopped"))?;
    explanation.context("the policies on disk cannot be asked this")
}
