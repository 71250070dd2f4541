//! `gatewright policy …`: what a policy author runs before a commit.

mod check;
mod diff;
mod explain;
mod folders;
mod format;
mod host;
mod lifecycle;
mod prove;
mod registry;
mod replay;
mod report;
mod sarif;
mod schema;
mod shadow;
mod suggest;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

use super::api;
use super::exit;
use super::out::{complain, say};
use crate::clock::Clock;
use crate::policy::Fault;

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// What a server asks before it starts: parse, validate, lint, run the decision tables; names file,
    /// line and fix of every fault
    Check(check::CheckArgs),
    /// Run the decision tables, and look for what no row would miss
    Test(test::TestArgs),
    /// Write policies in the form of the official formatter
    Fmt(format::FormatArgs),
    /// The schema with the arguments of tools in it, for editors and for this repository
    Schema(schema::SchemaArgs),
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
    /// List the recorded decisions that policies which don't decide yet would turn
    Replay(replay::ReplayArgs),
    /// Have a bundle decide beside the active one without any effect, and see what it turns
    Shadow(shadow::ShadowArgs),
    /// Propose the tightest rules that an agent could have lived with
    Suggest(suggest::SuggestArgs),
}

/// Why a command did not do what it is for.
enum Failure {
    /// The policies are at fault.
    Faults(Vec<Fault>),
    /// A server was asked in vain, or something else went wrong.
    Asked(api::Failure),
}

impl From<Vec<Fault>> for Failure {
    fn from(faults: Vec<Fault>) -> Failure {
        Failure::Faults(faults)
    }
}

impl From<api::Failure> for Failure {
    fn from(failure: api::Failure) -> Failure {
        Failure::Asked(failure)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Asked(error.into())
    }
}

pub async fn run(command: PolicyCommand, clock: &Clock) -> anyhow::Result<ExitCode> {
    let done = match command {
        PolicyCommand::Check(args) => check::check(&args).await,
        PolicyCommand::Test(args) => test::run(args).map_err(Failure::from),
        PolicyCommand::Fmt(args) => format::format(&args),
        PolicyCommand::Schema(args) => schema::schema(&args).await,
        PolicyCommand::Prove(args) => prove::prove(&args).await.map_err(Failure::from),
        PolicyCommand::Explain(args) => return explain::run(*args).await,
        PolicyCommand::Diff(args) => return diff::run(args).await,
        PolicyCommand::Push(args) => return lifecycle::push(args).await,
        PolicyCommand::Recheck(args) => Ok(lifecycle::check(args).await),
        PolicyCommand::Review(args) => Ok(lifecycle::review(args).await),
        PolicyCommand::Activate(args) => Ok(lifecycle::activate(args).await),
        PolicyCommand::Rollback(args) => Ok(lifecycle::roll_back(args).await),
        PolicyCommand::List(args) => Ok(lifecycle::list(args).await),
        PolicyCommand::Show(args) => Ok(lifecycle::show(args).await),
        PolicyCommand::Replay(args) => return replay::run(args, clock).await,
        PolicyCommand::Shadow(args) => Ok(shadow::run(args).await),
        PolicyCommand::Suggest(args) => return suggest::run(args, clock).await,
    };
    Ok(match done {
        Ok(code) => code,
        Err(Failure::Faults(faults)) => told(&faults),
        Err(Failure::Asked(failure)) => api::end(Err(failure)),
    })
}

/// A success, and the one line that there is to say of it.
fn said(line: &str) -> ExitCode {
    say(line);
    ExitCode::SUCCESS
}

/// Tells every fault, and how many they are.
fn told(faults: &[Fault]) -> ExitCode {
    for fault in faults {
        complain(&fault.to_string());
    }
    complain(&format!("{} fault(s)", faults.len()));
    ExitCode::from(exit::FAILED)
}
