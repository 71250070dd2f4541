//! `gatewright policy check`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::folders::Folders;
use super::registry::Registry;
use super::{Failure, sarif, told};
use crate::cli::exit;
use crate::cli::out::{complain, say};
use crate::policy::{Bundle, Fault};

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    folders: Folders,
    #[command(flatten)]
    registry: Registry,
    /// How findings are told: `json` and `sarif` on standard output
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    /// SARIF 2.1.0, as code scanning takes it
    Sarif,
}

pub async fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let landscape = args.registry.landscape().await?;
    let checked = match landscape {
        Some(it) => args.folders.sources().and_then(|sources| Bundle::surveyed(sources, &*it)),
        None => args.folders.bundle(),
    };
    let findings = match &checked {
        Ok(bundle) => bundle.warnings(),
        Err(faults) => faults.as_slice(),
    };
    match args.format {
        Format::Text => return Ok(in_words(&checked)),
        Format::Json => say(&format!("{:#}", as_json(&checked, findings))),
        Format::Sarif => say(&format!("{:#}", sarif::log(findings))),
    }
    Ok(ExitCode::from(if checked.is_ok() { exit::DONE } else { exit::FAILED }))
}

fn in_words(checked: &Result<Bundle, Vec<Fault>>) -> ExitCode {
    let bundle = match checked {
        Ok(bundle) => bundle,
        Err(faults) => return told(faults),
    };
    for warning in bundle.warnings() {
        complain(&warning.to_string());
    }
    let (count, digest) = (bundle.metas().len(), bundle.digest());
    say(&match bundle.warnings().len() {
        0 => format!("{count} policies and templates are sound; digest {digest}"),
        some => format!(
            "{count} policies and templates are sound, with {some} warning(s); digest {digest}"
        ),
    });
    ExitCode::SUCCESS
}

fn as_json(checked: &Result<Bundle, Vec<Fault>>, findings: &[Fault]) -> serde_json::Value {
    json!({
        "sound": checked.is_ok(),
        "digest": checked.as_ref().ok().map(Bundle::digest),
        "policies": checked.as_ref().ok().map(|it| it.metas().len()),
        "findings": findings,
    })
}
