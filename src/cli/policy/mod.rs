//! `gatewright policy …`: what a policy author runs before a commit.

mod check;
mod diff;
mod explain;
mod folders;
mod lifecycle;
mod prove;
mod report;
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
    /// Show what differs between two bundles: policies, and what they allow
    Diff(diff::Diff),
    /// Upload the folders as a draft, and show what the server's check found
    Push(lifecycle::Push),
    /// Check a bundle on the server again, against the one that is active now
    Recheck(lifecycle::One),
    /// Say yes or no to a bundle that somebody else wrote
    Review(lifecycle::Review),
    /// Make a reviewed bundle the one that decides; needs a second factor proven just now
    Activate(lifecycle::One),
    /// Go back to a bundle that was active before, the last one if none is named
    Rollback(lifecycle::Perhaps),
    /// Show the bundles on the server, newest first
    List(lifecycle::List),
    /// Show one bundle on the server, the active one if none is named
    Show(lifecycle::Perhaps),
}

pub async fn run(command: PolicyCommand) -> anyhow::Result<ExitCode> {
    Ok(match command {
        PolicyCommand::Check(folders) => end(check::check(&folders)),
        PolicyCommand::Test(args) => test::run(args)?,
        PolicyCommand::Prove(args) => {
            prove::prove(&args).await.unwrap_or_else(|faults| told(&faults))
        }
        PolicyCommand::Explain(args) => explain::run(*args).await?,
        PolicyCommand::Diff(args) => diff::run(args).await?,
        PolicyCommand::Push(args) => lifecycle::push(args).await?,
        PolicyCommand::Recheck(args) => lifecycle::check(args).await,
        PolicyCommand::Review(args) => lifecycle::review(args).await,
        PolicyCommand::Activate(args) => lifecycle::activate(args).await,
        PolicyCommand::Rollback(args) => lifecycle::roll_back(args).await,
        PolicyCommand::List(args) => lifecycle::list(args).await,
        PolicyCommand::Show(args) => lifecycle::show(args).await,
    })
}

fn end(done: Result<String, Vec<Fault>>) -> ExitCode {
    match done {
        Ok(line) => {
            say(&line);
            ExitCode::SUCCESS
        }
        Err(faults) => told(&faults),
    }
}

/// Tells every fault, and how many they are.
fn told(faults: &[Fault]) -> ExitCode {
    for fault in faults {
        complain(&fault.to_string());
    }
    complain(&format!("{} fault(s)", faults.len()));
    ExitCode::from(exit::FAILED)
}
