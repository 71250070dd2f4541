//! `gatewright audit …`: the audit seen by somebody who trusts only a public key.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::out::{complain, say};
use super::{exit, settings};
use crate::app::audit_signer;
use crate::audit::verify::verify;
use crate::settings::{DatabaseUrl, Settings, SettingsArgs};
use crate::store::{self, Database};

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Recompute the tree from the entries in the store and hold it against its signed head
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The log's verifier key, name+id+base64 (from /.well-known/audit-key.json); without it, the
    /// key in this host's own key file
    #[arg(long, value_name = "KEY")]
    public_key: Option<String>,
    /// A checkpoint that was kept elsewhere (from /api/v1/audit/checkpoint)
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub async fn run(AuditCommand::Verify(args): AuditCommand) -> anyhow::Result<ExitCode> {
    let settings = settings(&args.settings)?;
    let older = args
        .checkpoint
        .map(|path| {
            std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read the checkpoint `{}`", path.display()))
        })
        .transpose()?;
    if let DatabaseUrl::SqliteFile(path) = &settings.database.url {
        anyhow::ensure!(path.exists(), "there is no store at `{}`", path.display());
    }
    let db = store::open(&settings.database.url)?;
    let key = match args.public_key {
        Some(it) => it,
        None => own_key(&settings, &*db).await?,
    };
    let report = verify(&*db, &key, older.as_deref()).await?;
    if args.json {
        say(&serde_json::to_string_pretty(&report)?);
    } else {
        for fault in &report.faults {
            complain(fault);
        }
        let verdict =
            if report.holds() { "as they were written" } else { "NOT as they were written" };
        say(&format!("{} entries read, {verdict}; root {}", report.entries, report.root));
    }
    Ok(ExitCode::from(if report.holds() { exit::DONE } else { exit::FAILED }))
}

/// The verifier key that belongs to this host's own signing key, under the name that the log has.
/// Makes none: one that did not sign this log would call every log forged.
async fn own_key(settings: &Settings, db: &dyn Database) -> anyhow::Result<String> {
    let path = &settings.audit.key_file;
    anyhow::ensure!(
        path.exists(),
        "there is no key file `{}` here; give --public-key",
        path.display()
    );
    let signer = audit_signer(settings)?;
    let rows = db.query("SELECT checkpoint FROM audit_head WHERE id = 1", vec![]).await?;
    let note = rows.first().map(|it| it.text(0)).transpose()?.unwrap_or_default();
    Ok(if note.is_empty() { signer.public_key().to_owned() } else { signer.public_key_of(note) })
}
