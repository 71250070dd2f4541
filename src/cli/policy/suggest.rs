//! `gatewright policy suggest`: the tightest rules that an agent could have lived with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use super::folders::Folders;
use super::host::{Host, HostArgs};
use super::told;
use crate::audit::past::Past;
use crate::cli::api::{Api, ApiArgs, Failure, end};
use crate::cli::exit;
use crate::cli::out::{complain, say};
use crate::clock::{Clock, instant};
use crate::policy::Bundle;
use crate::policy::replay::{Bounds, Since};
use crate::policy::suggest::{Subject, Suggestion, Window, suggest};
use crate::store::{Database, Value};

#[derive(Debug, Args)]
pub struct SuggestArgs {
    /// The agent, by id or name
    #[arg(long)]
    agent: String,
    /// Where the window begins: 30d, 12h, 15m, or an RFC 3339 timestamp
    #[arg(long, default_value = "30d")]
    since: Since,
    /// Write the files below this folder; without it, the policies are printed
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Read the store of this host instead of asking a server; so do --database and --config
    #[arg(long)]
    local: bool,
    #[command(flatten)]
    folders: Folders,
    #[command(flatten)]
    host: HostArgs,
    #[command(flatten)]
    api: ApiArgs,
}

pub async fn run(args: SuggestArgs, clock: &Clock) -> anyhow::Result<ExitCode> {
    let HostArgs { database, config } = &args.host;
    let suggestion = if args.local || database.is_some() || config.is_some() {
        match args.folders.sources().and_then(Bundle::tested_before) {
            Ok(active) => here(Arc::new(active), &args, clock).await?,
            Err(faults) => return Ok(told(&faults)),
        }
    } else {
        match on_server(&args, clock).await {
            Ok(suggestion) => suggestion,
            Err(failure) => return Ok(end(Err(failure))),
        }
    };
    tell(&suggestion, &args)?;
    Ok(ExitCode::from(if suggestion.sound { exit::DONE } else { exit::FAILED }))
}

async fn on_server(args: &SuggestArgs, clock: &Clock) -> Result<Suggestion, Failure> {
    let api = Api::open(&args.api).await?.patient();
    let since = instant(args.since.micros(clock.now()));
    let path = format!("/api/v1/agents/{}/suggestion?since={since}", args.agent);
    let suggestion = api.get(&path).await?;
    Ok(serde_json::from_value(suggestion).map_err(anyhow::Error::from)?)
}

async fn here(
    active: Arc<Bundle>,
    args: &SuggestArgs,
    clock: &Clock,
) -> anyhow::Result<Suggestion> {
    let host = Host::open(&args.host)?;
    let agent = find(&*host.db, &args.agent).await?;
    let since = args.since.micros(clock.now());
    let at_hand = host.at_hand().await?;
    let past = Past::of(host.db, since);
    let window = Window { past, since, bounds: Bounds::of_host(), at_hand };
    Ok(suggest(agent, active, window, clock).await?)
}

/// The agent that goes by this id or name.
async fn find(db: &dyn Database, wanted: &str) -> anyhow::Result<Subject> {
    let sql = "SELECT id, name FROM agents WHERE id = $1 OR name_key = $2";
    let key = Value::Text(wanted.to_lowercase());
    let rows = db.query(sql, vec![Value::Text(wanted.to_owned()), key]).await?;
    let row = rows.first().with_context(|| format!("there is no agent `{wanted}`"))?;
    Ok(Subject { id: row.uuid(0)?, name: row.text(1)?.to_owned() })
}

fn tell(suggestion: &Suggestion, args: &SuggestArgs) -> anyhow::Result<()> {
    if !args.api.is_for_people() {
        say(&serde_json::to_string_pretty(suggestion)?);
    } else if args.out.is_none() {
        for file in suggestion.files.iter().filter(|it| it.path.ends_with(".cedar")) {
            say(file.text.trim_end());
        }
    }
    if let Some(folder) = &args.out {
        for file in &suggestion.files {
            let path = folder.join(&file.path);
            write(&path, &file.text)?;
            complain(&format!("wrote {}", path.display()));
        }
    }
    complain(&suggestion.to_string());
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let shown = || format!("cannot write `{}`", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(shown)?;
    }
    std::fs::write(path, text).with_context(shown)
}
