//! `gatewright policy …`: what a policy author runs before a commit.

mod check;
mod folders;
mod host;
mod replay;
mod shadow;
mod suggest;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

use self::folders::Folders;
use super::exit;
use super::out::{complain, say};
use crate::clock::Clock;
use crate::policy::Fault;

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// What a server asks before it starts: parse, validate, lint, run the decision tables; names file,
    /// line and fix of every fault
    Check(Folders),
    /// Run the decision tables, and look for policies that no row would miss
    Test(Folders),
    /// List the recorded decisions that policies which don't decide yet would turn
    Replay(replay::ReplayArgs),
    /// Have a bundle decide beside the active one without any effect, and see what it turns
    Shadow(shadow::ShadowArgs),
    /// Propose the tightest rules that an agent could have lived with
    Suggest(suggest::SuggestArgs),
}

pub async fn run(command: PolicyCommand, clock: &Clock) -> anyhow::Result<ExitCode> {
    let done = match command {
        PolicyCommand::Check(folders) => check::check(&folders),
        PolicyCommand::Test(folders) => test::test(&folders),
        PolicyCommand::Replay(args) => return replay::run(args, clock).await,
        PolicyCommand::Shadow(args) => return Ok(shadow::run(args).await),
        PolicyCommand::Suggest(args) => return suggest::run(args, clock).await,
    };
    Ok(match done {
        Ok(line) => {
            say(&line);
            ExitCode::SUCCESS
        }
        Err(faults) => told(&faults),
    })
}

/// Tells every fault, and how many they are.
fn told(faults: &[Fault]) -> ExitCode {
    for fault in faults {
        complain(&fault.to_string());
    }
    complain(&format!("{} fault(s)", faults.len()));
    ExitCode::from(exit::FAILED)
}
