//! `gatewright policy shadow`: policies that decide beside the active ones, without any effect.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::api::{Api, ApiArgs, Failure, end};
use crate::cli::out::say;

const PATH: &str = "/api/v1/shadow";
const NOTHING: &str = "no bundle is shadowed";

#[derive(Debug, Args)]
pub struct ShadowArgs {
    /// The id of the bundle that is to decide beside the active one; without one, what was seen so
    /// far is shown
    #[arg(conflicts_with = "off")]
    bundle: Option<Uuid>,
    /// Which part of all decisions, in percent
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100),
          requires = "bundle")]
    sample_percent: u8,
    /// Have no bundle decide beside the active one any more
    #[arg(long)]
    off: bool,
    #[command(flatten)]
    api: ApiArgs,
}

pub async fn run(args: ShadowArgs) -> ExitCode {
    end(act(args).await)
}

async fn act(args: ShadowArgs) -> Result<(), Failure> {
    let api = Api::open(&args.api).await?.patient();
    match args.bundle {
        Some(id) => {
            let percent = args.sample_percent;
            api.act(&format!("/api/v1/bundles/{id}/shadow?sample_percent={percent}")).await?;
            let told = json!({ "bundle": id, "sample_percent": percent });
            done(
                &api,
                &told,
                &format!("bundle {id} is the shadow now, of {percent} % of decisions"),
            );
        }
        None if args.off => {
            api.delete(PATH).await?;
            done(&api, &json!({ "bundle": null }), NOTHING);
        }
        None => show(&api, &api.get(PATH).await?),
    }
    Ok(())
}

/// What was changed: for programs, or in a sentence.
fn done(api: &Api, told: &Value, sentence: &str) {
    match api.is_for_people() {
        true => say(sentence),
        false => api.show(told),
    }
}

fn show(api: &Api, seen: &Value) {
    if !api.is_for_people() {
        return api.show(seen);
    }
    let Some(bundle) = seen["bundle"].as_str() else { return say(NOTHING) };
    let (percent, since) = (&seen["sample_percent"], seen["since"].as_str().unwrap_or_default());
    say(&format!("bundle {bundle} is the shadow of {percent} % of decisions since {since}"));
    let counts = ["same", "opened", "closed", "skipped", "waiting"]
        .map(|it| format!("{} {it}", seen["counts"][it]));
    say(&counts.join(", "));
    let rows: Vec<Value> = seen["groups"].as_array().into_iter().flatten().map(named).collect();
    if !rows.is_empty() {
        api.show_all(&rows, &["principal", "action", "resource", "opened", "closed", "examples"]);
    }
    if seen["ungrouped"].as_u64().is_some_and(|it| it > 0) {
        say(&format!("{} more are in no group", seen["ungrouped"]));
    }
}

/// With names in the place of what has one.
fn named(group: &Value) -> Value {
    let mut group = group.clone();
    for field in ["principal", "resource"] {
        let name = group.pointer(&format!("/{field}/name")).cloned();
        if let (Some(place), Some(name)) = (group.get_mut(field), name) {
            *place = name;
        }
    }
    group
}
