//! `gatewright approval …`: calls that wait for a person.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use uuid::Uuid;

use super::api::{Api, ApiArgs, Failure, end};

const PATH: &str = "/api/v1/approvals";
/// Fields that hold a user's id.
const USERS: [&str; 2] = ["on_behalf_of", "decided_by"];
const COLUMNS: &[&str] = &["id", "state", "tool", "requested_by", "risk_level", "expires_at"];

#[derive(Debug, Args)]
pub struct ApprovalArgs {
    #[command(subcommand)]
    command: ApprovalCommand,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Subcommand)]
enum ApprovalCommand {
    /// Show the approvals you may see, newest first
    List {
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<State>,
        /// Only those for this tool
        #[arg(long, value_name = "ID")]
        tool: Option<Uuid>,
    },
    /// Show one approval, with the arguments of the call
    Show { id: Uuid },
    /// Say yes to exactly this call, once; needs a second factor proven just now
    Approve {
        id: Uuid,
        /// Why; whoever asked can read it
        #[arg(long)]
        reason: Option<String>,
    },
    /// Say no to this call; needs a second factor proven just now
    Deny {
        id: Uuid,
        /// Why; whoever asked can read it
        #[arg(long)]
        reason: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Pending,
    Approved,
    Rejected,
    Expired,
    Consumed,
    Cancelled,
}

pub async fn run(args: ApprovalArgs) -> ExitCode {
    end(act(args).await)
}

async fn act(ApprovalArgs { command, api }: ApprovalArgs) -> Result<(), Failure> {
    let api = Api::open(&api).await?;
    match command {
        ApprovalCommand::List { state, tool } => {
            let state = state.and_then(|it| it.to_possible_value());
            let state = state.map(|it| format!("&state={}", it.get_name())).unwrap_or_default();
            let tool = tool.map(|id| format!("&tool={id}")).unwrap_or_default();
            let all = api.list(PATH, &format!("{state}{tool}")).await?;
            match api.is_for_people() {
                true => api.show_all(&all.into_iter().map(named).collect::<Vec<_>>(), COLUMNS),
                false => api.show_all(&all, COLUMNS),
            }
        }
        ApprovalCommand::Show { id } => show(&api, api.get(&format!("{PATH}/{id}")).await?).await?,
        ApprovalCommand::Approve { id, reason } => decide(&api, id, "approve", reason).await?,
        ApprovalCommand::Deny { id, reason } => decide(&api, id, "deny", reason).await?,
    }
    Ok(())
}

async fn decide(api: &Api, id: Uuid, verb: &str, reason: Option<String>) -> Result<(), Failure> {
    let path = format!("{PATH}/{id}/{verb}");
    show(api, api.post(&path, &json!({ "reason": reason })).await?).await
}

/// One approval: for people with names and titles, and for programs as it is.
async fn show(api: &Api, approval: Value) -> Result<(), Failure> {
    if !api.is_for_people() {
        api.show(&approval);
        return Ok(());
    }
    let mut told = named(approval);
    for field in USERS {
        if let Some(id) = told[field].as_str() {
            told[field] = username(api, id).await?.into();
        }
    }
    if let Some(all) = told["policies"].as_array() {
        let policies: Vec<String> = all.iter().map(policy).collect();
        told["policies"] = policies.join("; ").into();
    }
    api.show(&told);
    Ok(())
}

/// A user's name, with the id; or the id, for whoever may not see it.
async fn username(api: &Api, id: &str) -> Result<String, Failure> {
    match api.get(&format!("/api/v1/users/{id}")).await {
        Ok(user) => {
            Ok(user["username"].as_str().map_or_else(|| id.to_owned(), |it| format!("{it} ({id})")))
        }
        Err(Failure::Refused { status: 403 | 404, .. }) => Ok(id.to_owned()),
        Err(other) => Err(other),
    }
}

fn policy(it: &Value) -> String {
    let id = it["id"].as_str().unwrap_or_default();
    match it["title"].as_str() {
        Some(title) => format!("{id} ({title})"),
        None => id.to_owned(),
    }
}

/// With names in the place of what has one.
fn named(mut approval: Value) -> Value {
    for field in ["tool", "requested_by"] {
        let name = approval.pointer(&format!("/{field}/name")).cloned();
        if let (Some(place), Some(name)) = (approval.get_mut(field), name) {
            *place = name;
        }
    }
    approval
}
