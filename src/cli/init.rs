//! `gatewright init`: what an operator begins with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::out::say;
use crate::clock::Clock;
use crate::credentials::keys::KeyRing;
use crate::keys;
use crate::policy::STARTER_FILES;
use crate::settings::{Settings, template};

#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder to write to
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// Writes what is not there yet and touches nothing that is.
pub fn run(args: &InitArgs, clock: &Clock) -> anyhow::Result<ExitCode> {
    let folder = &args.folder;
    write(&folder.join("gatewright.toml"), &template())?;
    for (path, text) in STARTER_FILES {
        write(&folder.join(path), text)?;
    }
    let settings = Settings::default();
    let (auth, audit) = (&settings.auth, &settings.audit);
    let secrets = &settings.secrets.master_key_file;
    for path in [&auth.key_file, &auth.factors_key_file, &audit.key_file, secrets] {
        keys::load_or_create_seed(&folder.join(path))?;
    }
    let path = folder.join(&settings.credentials.key_file);
    if !path.exists() {
        keys::make_folder_of(&path)?;
        KeyRing::generate(clock.now()).create(&path)?;
    }
    say("done; next:");
    say("  gatewright seed-admin --username admin --password-stdin");
    say("  gatewright serve");
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if path.exists() {
        say(&format!("kept     {}", path.display()));
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    say(&format!("written  {}", path.display()));
    Ok(())
}
