//! `gatewright key …`: API keys.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::api::{Api, ApiArgs, Failure, end};

const PATH: &str = "/api/v1/api-keys";
const COLUMNS: &[&str] =
    &["id", "name", "principal_id", "scopes", "state", "expires_at", "last_used_at"];

#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key; it is shown this once
    Create {
        /// What to know it by
        name: String,
        /// Whom it stands for: yourself when left out, or an agent
        #[arg(long, value_name = "ID")]
        principal: Option<Uuid>,
        /// What it may hold; give it once per scope
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// When it stops being good (RFC 3339)
        #[arg(long, value_name = "TIME")]
        expires_at: Option<Timestamp>,
    },
    /// Show the keys you may see
    List {
        /// Only those of this principal
        #[arg(long, value_name = "ID")]
        principal: Option<Uuid>,
    },
    /// Show one key
    Show { id: Uuid },
    /// Put a new key in the place of one; it is shown this once
    Rotate {
        id: Uuid,
        /// How long the old one stays good beside it; up to 7 days
        #[arg(long, default_value_t, value_name = "SECONDS")]
        overlap_seconds: u32,
    },
    /// Make a key good for nothing until it is enabled
    Disable { id: Uuid },
    /// Let a disabled key be used again
    Enable { id: Uuid },
    /// End a key for good
    Revoke { id: Uuid },
}

pub async fn run(args: KeyArgs) -> ExitCode {
    end(act(args).await)
}

async fn act(KeyArgs { command, api }: KeyArgs) -> Result<(), Failure> {
    let api = Api::open(&api).await?;
    match command {
        KeyCommand::Create { name, principal, scopes, expires_at } => {
            let body = json!({ "name": name, "principal": principal, "scopes": scopes,
                               "expires_at": expires_at });
            api.show(&api.post(PATH, &body).await?);
        }
        KeyCommand::List { principal } => {
            let query = principal.map(|id| format!("&principal={id}")).unwrap_or_default();
            api.show_all(&api.list(PATH, &query).await?, COLUMNS);
        }
        KeyCommand::Show { id } => api.show(&api.get(&one(id)).await?),
        KeyCommand::Rotate { id, overlap_seconds } => {
            let body = json!({ "overlap_seconds": overlap_seconds });
            api.show(&api.post(&format!("{}/rotate", one(id)), &body).await?);
        }
        KeyCommand::Disable { id } => api.show(&api.act(&format!("{}/disable", one(id))).await?),
        KeyCommand::Enable { id } => api.show(&api.act(&format!("{}/enable", one(id))).await?),
        KeyCommand::Revoke { id } => {
            api.delete(&one(id)).await?;
            api.show(&Value::from_iter([("revoked", id.to_string())]));
        }
    }
    Ok(())
}

fn one(id: Uuid) -> String {
    format!("{PATH}/{id}")
}
