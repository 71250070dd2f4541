//! `gatewright policy …`: what a policy author runs before a commit.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::exit;
use super::out::{complain, say};
use crate::policy::{Bundle, Fault, Sources, table::Table};

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// What a server asks before it starts: parse, validate, lint, run the decision table; names file,
    /// line and fix of every fault
    Check(Folders),
    /// Run the decision table, and look for policies that no row would miss
    Test(Folders),
}

#[derive(Debug, Args)]
pub struct Folders {
    /// The folder of the policies
    #[arg(long, default_value = "policies")]
    dir: PathBuf,
    /// The folder of the schema
    #[arg(long, default_value = "schemas")]
    schema_dir: PathBuf,
}

pub fn run(command: &PolicyCommand) -> anyhow::Result<ExitCode> {
    let done = match command {
        PolicyCommand::Check(folders) => check(folders),
        PolicyCommand::Test(folders) => test(folders),
    };
    match done {
        Ok(line) => {
            say(&line);
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => {
            for fault in &faults {
                complain(&fault.to_string());
            }
            complain(&format!("{} fault(s)", faults.len()));
            Ok(ExitCode::from(exit::FAILED))
        }
    }
}

fn check(folders: &Folders) -> Result<String, Vec<Fault>> {
    let bundle = Bundle::load(&folders.schema_dir, &folders.dir)?;
    Ok(format!(
        "{} policies and templates are sound; digest {}",
        bundle.metas().len(),
        bundle.digest()
    ))
}

fn test(folders: &Folders) -> Result<String, Vec<Fault>> {
    let mut sources = Sources::read(&folders.schema_dir, &folders.dir)?;
    let Some(tests) = sources.tests.take() else {
        return Ok("there is no tests/table.json: nothing was tested".into());
    };
    let bundle = Bundle::from_sources(sources)?;
    let table = Table::read(&tests, &bundle)?;
    let faults = table.run(&bundle);
    if !faults.is_empty() {
        return Err(faults);
    }
    let unnoticed = table.unnoticed(&bundle);
    let rows = table.len();
    Ok(match unnoticed.as_slice() {
        [] => format!("{rows} rows pass; dropping any one policy fails at least one of them"),
        some => format!("{rows} rows pass; no row would miss: {}", some.join(", ")),
    })
}
