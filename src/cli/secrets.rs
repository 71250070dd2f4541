//! `gatewright secrets …`: what only the host's operator does about secrets.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;

use super::out::say;
use super::{ServeArgs, settings};
use crate::App;
use crate::clock::Clock;
use crate::policy::Bundle;

#[derive(Debug, Subcommand)]
pub enum SecretsCommand {
    /// Put a new master key in the place of the one that secrets are sealed with; servers may run
    RotateKey(ServeArgs),
}

pub async fn run(command: SecretsCommand, clock: Clock) -> anyhow::Result<ExitCode> {
    let SecretsCommand::RotateKey(args) = command;
    let settings = settings(&args.settings)?;
    let bundle = Bundle::starter().map_err(|_| anyhow::anyhow!("the built-in policies"))?;
    let app = App::start(&settings, Arc::new(bundle), clock).await?;
    let rotated = app.secrets.rotate_master_key().await?;
    if rotated.resumed {
        say("went on with a rotation that had not ended");
    }
    let file = settings.secrets.master_key_file.display();
    say(&format!(
        "`{file}` holds a new key ({}); records taken over: {}",
        rotated.to, rotated.records
    ));
    say("back it up; backups of the store from before open with the old key only");
    Ok(ExitCode::SUCCESS)
}
