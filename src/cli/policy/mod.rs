//! `gatewright policy …`: what a policy author runs before a commit.

mod check;
mod explain;
mod folders;
mod prove;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

use self::folders::Folders;
use super::exit;
use super::out::{complain, say};
use crate::policy::Fault;

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// What a server asks before it starts: parse, validate, lint, run the decision tables; names file,
    /// line and fix of every fault
    Check(Folders),
    /// Run the decision tables, and look for what no row would miss
    Test(test::TestArgs),
    /// Prove, with the solver cvc5, that nobody is locked out and nobody can raise themselves; name policies
    /// that never apply; and, compared with other policies, what these allow beyond them
    Prove(prove::ProveArgs),
    /// Say why a decision is what it is: every condition with its value, and the smallest change that
    /// flips it
    Explain(Box<explain::ExplainArgs>),
}

pub async fn run(command: PolicyCommand) -> anyhow::Result<ExitCode> {
    let done = match command {
        PolicyCommand::Check(folders) => check::check(&folders),
        PolicyCommand::Test(args) => return test::run(args),
        PolicyCommand::Prove(args) => {
            return Ok(prove::prove(&args).await.unwrap_or_else(|faults| told(&faults)));
        }
        PolicyCommand::Explain(args) => return explain::run(*args).await,
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
