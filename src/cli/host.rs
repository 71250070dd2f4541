//! What only the host's operator does: the first administrator, migrations, the health check.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use std::io::{BufRead as _, IsTerminal as _, Read as _, stdin};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use http::uri::Scheme;
use secrecy::SecretString;

use super::client::Client;
use super::out::{complain, say};
use super::{exit, settings};
use crate::App;
use crate::clock::Clock;
use crate::policy::Bundle;
use crate::settings::{Origin, Settings, SettingsArgs};
use crate::store;

const PASSWORD_BYTES_MAX: u64 = 4096;

#[derive(Debug, Args)]
pub struct SeedAdminArgs {
    /// The administrator's name
    #[arg(long)]
    username: String,
    /// Read the password from standard input: one line
    #[arg(long, required = true)]
    password_stdin: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Makes an administrator in the store that the settings name.
pub async fn seed_admin(args: SeedAdminArgs, clock: Clock) -> anyhow::Result<ExitCode> {
    let settings = settings(&args.settings)?;
    let password = password()?;
    let bundle = Bundle::starter().map_err(|_| anyhow::anyhow!("the built-in policies"))?;
    let app = App::start(&settings, Arc::new(bundle), clock).await?;
    let user = app.seed_admin(&args.username, password).await.map_err(explained)?;
    say(&format!("{} is an administrator now ({})", user.username, user.id));
    Ok(ExitCode::SUCCESS)
}

/// The first line of standard input; whoever types it is told so.
pub(super) fn password() -> anyhow::Result<SecretString> {
    if stdin().is_terminal() {
        complain("type the password and Enter");
    }
    let mut line = String::new();
    stdin().lock().take(PASSWORD_BYTES_MAX).read_line(&mut line).context("no password")?;
    Ok(line.trim_end_matches(['\r', '\n']).into())
}

/// Field faults in words, for those who typed them on a command line.
fn explained(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<crate::Error>() {
        Some(crate::Error::Invalid(faults)) => {
            let told = faults
                .iter()
                .map(|it| format!("the {} {}", it.pointer.trim_start_matches('/'), it.detail));
            anyhow::anyhow!(told.collect::<Vec<_>>().join("; "))
        }
        _ => error,
    }
}

pub async fn migrate(settings: &Settings) -> anyhow::Result<ExitCode> {
    let db = store::open(&settings.database.url)?;
    db.migrate().await?;
    say("the store's schema is up to date");
    Ok(ExitCode::SUCCESS)
}

/// Asks the server that listens where these settings say.
pub async fn health(settings: &Settings) -> anyhow::Result<ExitCode> {
    let client = match &settings.tls.cert_file {
        Some(file) => Client::pinned(file, settings.public_url.host(), settings.listen)?,
        None => Client::new(&Origin::of_listener(&Scheme::HTTP, settings.listen).to_string())?,
    };
    match client.get("/readyz").await {
        Ok(answer) if answer.status.is_success() => {
            say("ready");
            Ok(ExitCode::SUCCESS)
        }
        Ok(answer) => {
            complain(&format!("not ready: {}", answer.body["checks"]));
            Ok(ExitCode::from(exit::FAILED))
        }
        Err(error) => {
            complain(&format!("{error:#}"));
            Ok(ExitCode::from(exit::UNREACHABLE))
        }
    }
}
