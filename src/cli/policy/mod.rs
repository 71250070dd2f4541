//! `gatewright policy …`: what a policy author runs before a commit.

mod check;
mod explain;
mod folders;
mod format;
mod prove;
mod registry;
mod sarif;
mod schema;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

use super::api;
use super::exit;
use super::out::{complain, say};
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

pub async fn run(command: PolicyCommand) -> anyhow::Result<ExitCode> {
    let done = match command {
        PolicyCommand::Check(args) => check::check(&args).await,
        PolicyCommand::Test(args) => return test::run(args),
        PolicyCommand::Fmt(args) => format::format(&args),
        PolicyCommand::Schema(args) => schema::schema(&args).await,
        PolicyCommand::Prove(args) => prove::prove(&args).await.map_err(Failure::from),
        PolicyCommand::Explain(args) => return explain::run(*args).await,
    };
    Ok(match done {
        Ok(code) => code,
        Err(Failure::Faults(faults)) => told(&faults),
        Err(Failure::Asked(failure)) => api::end(Err(failure)),
    })
}

/// A success, and the one line that there is to say of it.
fn said(line: String) -> ExitCode {
    say(&line);
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
