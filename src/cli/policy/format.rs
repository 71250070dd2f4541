//! `gatewright policy fmt`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::{Failure, said};
use crate::cli::exit;
use crate::cli::out::{complain, say};
use crate::policy::{Fault, SourceFile, formatted};

#[derive(Debug, Args)]
pub struct FormatArgs {
    /// Change nothing, and fail if something would change
    #[arg(long)]
    check: bool,
    /// The folder of the policies
    #[arg(long, default_value = "policies", conflicts_with = "files")]
    dir: PathBuf,
    /// These files, and no others
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Formats every file, or none: what does not parse is told before anything is written.
pub fn format(args: &FormatArgs) -> Result<ExitCode, Failure> {
    let paths = match args.files.is_empty() {
        true => SourceFile::policies_below(&args.dir)?,
        false => args.files.clone(),
    };
    let (mut changed, mut faults): (Vec<(PathBuf, String)>, Vec<Fault>) = Default::default();
    for path in &paths {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        let shown = path.display().to_string();
        let file = SourceFile { name: shown.clone(), path: shown, text };
        match formatted(&file) {
            Ok(text) if text == file.text => {}
            Ok(text) => changed.push((path.clone(), text)),
            Err(found) => faults.extend(found),
        }
    }
    if !faults.is_empty() {
        return Err(Failure::Faults(faults));
    }
    if args.check && !changed.is_empty() {
        for (path, _) in &changed {
            complain(&format!("{}:1:1: is not formatted; `gatewright policy fmt`", path.display()));
        }
        return Ok(ExitCode::from(exit::FAILED));
    }
    for (path, text) in &changed {
        replace(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        say(&format!("formatted {}", path.display()));
    }
    Ok(said(&format!("{} of {} files changed", changed.len(), paths.len())))
}

/// Writes the whole text in place of the old one, or leaves that as it is.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    // A link stays one: what it leads to is replaced.
    let path = path.canonicalize()?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    fresh.write_all(text.as_bytes())?;
    fresh.as_file().set_permissions(path.metadata()?.permissions())?;
    fresh.as_file().sync_all()?;
    fresh.persist(&path)?;
    Ok(())
}
