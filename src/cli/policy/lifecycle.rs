//! `gatewright policy push|review|activate|rollback|list|show`: bundles on a server.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{ArgGroup, Args, ValueEnum};
use serde_json::{Value, json};
use uuid::Uuid;

use super::folders::Folders;
use super::report;
use crate::cli::api::{Api, ApiArgs, Failure, end};
use crate::policy::bundles;

pub const PATH: &str = "/api/v1/bundles";
const COLUMNS: &[&str] = &["id", "state", "author", "digest", "reviews", "widens", "created_at"];
/// As many characters of a digest as people need.
const DIGEST_CHARS: usize = 12;

#[derive(Debug, Args)]
pub struct Push {
    #[command(flatten)]
    folders: Folders,
    /// What the change is for
    #[arg(long)]
    note: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("verdict").required(true)))]
pub struct Review {
    id: Uuid,
    /// It may become active
    #[arg(long, group = "verdict")]
    yes: bool,
    /// It must not, until you take that back
    #[arg(long, group = "verdict")]
    no: bool,
    /// Take back what you said before
    #[arg(long, group = "verdict")]
    withdraw: bool,
    /// Why
    #[arg(long, required_unless_present = "withdraw")]
    reason: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Args)]
pub struct One {
    id: Uuid,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Args)]
pub struct Perhaps {
    /// The bundle; left out, the one that suits most
    id: Option<Uuid>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Args)]
pub struct List {
    /// Only those in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Draft,
    Checked,
    Active,
    Retired,
}

/// Uploads the folders as a draft; fails where the check found something.
pub async fn push(args: Push) -> anyhow::Result<ExitCode> {
    let sources = match args.folders.sources() {
        Ok(it) => it,
        Err(faults) => return Ok(super::told(&faults)),
    };
    let body = json!({ "files": bundles::files(&sources), "note": args.note });
    Ok(end(async {
        let api = Api::open(&args.api).await?;
        let bundle = api.work(PATH, &body).await?;
        told(&api, &bundle);
        passed(&bundle)
    }
    .await))
}

/// Checks a bundle again, against the one that is active now; fails where the check found something.
pub async fn check(args: One) -> ExitCode {
    end(act(args, "check").await.and_then(|it| passed(&it)))
}

pub async fn activate(args: One) -> ExitCode {
    end(act(args, "activate").await.map(drop))
}

async fn act(args: One, verb: &str) -> Result<Value, Failure> {
    let api = Api::open(&args.api).await?;
    let bundle = api.work(&format!("{PATH}/{}/{verb}", args.id), &Value::Null).await?;
    told(&api, &bundle);
    Ok(bundle)
}

/// That the check found nothing wrong.
fn passed(bundle: &Value) -> Result<(), Failure> {
    match bundle["report"]["passed"] == Value::Bool(true) {
        true => Ok(()),
        false => Err(anyhow!("the check found faults; the bundle cannot become active").into()),
    }
}

pub async fn review(args: Review) -> ExitCode {
    let verdict = match (args.yes, args.no) {
        (true, _) => "yes",
        (_, true) => "no",
        _ => "none",
    };
    let reviewed = async {
        let api = Api::open(&args.api).await?;
        let body = json!({ "verdict": verdict, "reason": args.reason });
        told(&api, &api.post(&format!("{PATH}/{}/review", args.id), &body).await?);
        Ok(())
    };
    end(reviewed.await)
}

/// Back to a bundle that was active before: the last one, if none is named.
pub async fn roll_back(args: Perhaps) -> ExitCode {
    let rolled = async {
        let api = Api::open(&args.api).await?;
        let id = match args.id {
            Some(id) => id.to_string(),
            None => last_retired(&api).await?,
        };
        told(&api, &api.work(&format!("{PATH}/{id}/rollback"), &Value::Null).await?);
        Ok(())
    };
    end(rolled.await)
}

async fn last_retired(api: &Api) -> Result<String, Failure> {
    let all = api.list(PATH, "&state=retired").await?;
    let last = all.iter().max_by_key(|it| text(&it["retired_at"]));
    last.map(|it| text(&it["id"])).ok_or_else(|| anyhow!("no bundle was active before").into())
}

pub async fn list(args: List) -> ExitCode {
    let listed = async {
        let api = Api::open(&args.api).await?;
        let state = args.state.and_then(|it| it.to_possible_value());
        let state = state.map(|it| format!("&state={}", it.get_name())).unwrap_or_default();
        let all = api.list(PATH, &state).await?;
        match api.is_for_people() {
            true => api.show_all(&all.into_iter().map(short).collect::<Vec<_>>(), COLUMNS),
            false => api.show_all(&all, COLUMNS),
        }
        Ok(())
    };
    end(listed.await)
}

/// One bundle: the active one, if none is named.
pub async fn show(args: Perhaps) -> ExitCode {
    let shown = async {
        let api = Api::open(&args.api).await?;
        let id = match args.id {
            Some(id) => id.to_string(),
            None => active(&api).await?,
        };
        told(&api, &api.get(&format!("{PATH}/{id}")).await?);
        Ok(())
    };
    end(shown.await)
}

/// The id of the bundle that decides now.
pub async fn active(api: &Api) -> Result<String, Failure> {
    let all = api.list(PATH, "&state=active").await?;
    let one = all.first().map(|it| text(&it["id"]));
    one.ok_or_else(|| anyhow!("you may not see the active bundle").into())
}

fn told(api: &Api, bundle: &Value) {
    match api.is_for_people() {
        true => crate::cli::out::say(report::shown(bundle).trim_end()),
        false => api.show(bundle),
    }
}

/// With what people read of it.
fn short(mut bundle: Value) -> Value {
    let digest: String = text(&bundle["digest"]).chars().take(DIGEST_CHARS).collect();
    let reviews = bundle["reviews"].as_array().into_iter().flatten();
    let reviews: Vec<String> = reviews
        .map(|it| format!("{}: {}", text(&it["reviewer"]["name"]), text(&it["verdict"])))
        .collect();
    bundle["author"] = bundle["author"]["name"].take();
    bundle["digest"] = digest.into();
    bundle["reviews"] = reviews.join(", ").into();
    bundle
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
