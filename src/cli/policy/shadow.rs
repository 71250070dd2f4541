//! `gatewright policy shadow`: policies that decide beside the active ones, without any effect.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::api::{Api, ApiArgs, Failure, end};

const PATH: &str = "/api/v1/shadow";

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
        }
        None if args.off => drop(api.delete(PATH).await?),
        None => show(&api, api.get(PATH).await?),
    }
    Ok(())
}

fn show(api: &Api, mut seen: Value) {
    if !api.is_for_people() {
        return api.show(&seen);
    }
    let groups = seen.get_mut("groups").map(Value::take).unwrap_or_default();
    api.show(&seen);
    let rows: Vec<Value> = groups.as_array().into_iter().flatten().map(named).collect();
    if !rows.is_empty() {
        api.show_all(&rows, &["principal", "action", "resource", "opened", "closed", "examples"]);
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
