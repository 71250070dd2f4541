//! `gatewright user`: what only the host's operator does for a person.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::out::say;
use super::settings;
use crate::app::audit_signer;
use crate::audit::Ledger;
use crate::authn::{ends_sessions_of, factors};
use crate::authz::Warrant;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::settings::SettingsArgs;
use crate::store;

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Forget the second factors of somebody who has lost them, and end their sessions
    Recover(RecoverArgs),
}

#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// The user's name
    #[arg(long)]
    username: String,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub async fn run(command: UserCommand, clock: Clock) -> anyhow::Result<ExitCode> {
    match command {
        UserCommand::Recover(args) => recover(&args, clock).await,
    }
}

/// Asks for no key of second factors: it may be what was lost.
#[expect(clippy::disallowed_methods, reason = "whoever runs this on the host needs no permission")]
async fn recover(args: &RecoverArgs, clock: Clock) -> anyhow::Result<ExitCode> {
    let settings = settings(&args.settings)?;
    let db = store::open(&settings.database.url)?;
    db.migrate().await.context("bringing the store's schema up to date")?;
    let ledger = Ledger::start(db.clone(), audit_signer(&settings)?, clock.clone()).await?;
    let directory = Directory::load(db, ledger.clone(), clock.clone()).await?;
    let found = directory.snapshot().user_named(&args.username).cloned();
    let user = found.with_context(|| format!("there is no user `{}`", args.username))?;
    let warrant = Warrant::system("recover_user", &clock);
    warrant.note("user", user.id.to_string());
    warrant.note("username", user.username.as_str());
    let mut statements = factors::forget_all(user.id);
    statements.push(ends_sessions_of(user.id, clock.micros()));
    ledger.commit(&warrant, statements).await?;
    say(&format!("{} has no second factor now and is signed out", user.username));
    say(&format!(
        "access tokens that a running server knows live for at most {} s more; a restart ends them",
        settings.auth.access_token_ttl_seconds.max(settings.auth.elevated_token_ttl_seconds)
    ));
    Ok(ExitCode::SUCCESS)
}
