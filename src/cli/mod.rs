//! The command line: `gatewright …`.

mod api;
mod approval;
mod audit;
mod can;
mod client;
mod demo;
mod dev;
mod doctor;
mod host;
mod init;
mod key;
mod out;
mod policy;
mod samples;
mod secrets;
mod serve;
pub mod server;
mod signals;
pub mod token;
mod tools;
mod user;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::clock::Clock;
use crate::gateway::builtin::sandbox::{self, Stage};
use crate::settings::{Settings, SettingsArgs};

/// Decides, by Cedar policy, which agent may use which tool, and vends the Biscuit that proves it.
/// A call through all layers is deep, most of all where nothing is optimized; what is not used of a
/// stack costs nothing, and one that is too small ends the process.
const STACK_BYTES: usize = 8 * 1024 * 1024;

#[derive(Debug, Parser)]
#[command(name = "gatewright", version, about)]
pub struct Cli {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, for a moment")]
enum Part {
    #[command(flatten)]
    Command(Command),
    /// Become the sandbox that runs code; the server starts it
    #[command(name = sandbox::COMMAND, hide = true)]
    Sandbox {
        #[command(subcommand)]
        stage: Stage,
    },
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Do the main job once on an embedded store, and tell every step
    Demo,
    /// Run a server on loopback with a temporary store, sample tools, agents and policies
    Dev(dev::DevArgs),
    /// Run the server
    Serve(ServeArgs),
    /// Write gatewright.toml, policies, schemas and keys into this folder
    Init(init::InitArgs),
    /// Make an administrator in the store; for the host's operator
    SeedAdmin(host::SeedAdminArgs),
    /// Help a person who cannot sign in; for the host's operator
    #[command(subcommand)]
    User(user::UserCommand),
    /// Check and test policies
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Look into a credential, narrow it, verify it; no server needed
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Run tools of this binary that verify credentials themselves
    #[command(subcommand)]
    Tools(tools::ToolsCommand),
    /// Make, list, rotate and revoke API keys
    Key(key::KeyArgs),
    /// List calls that wait for a person, and decide them
    Approval(approval::ApprovalArgs),
    /// Ask what the policies would say: who can do what, and why not
    Can(can::CanArgs),
    /// Rotate the key that secrets are sealed with; for the host's operator
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// Check that the audit is as it was written
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Bring the store's schema up to date
    Migrate(ServeArgs),
    /// Look for what is wrong with settings, store, secrets, clock, keys, policies and accounts, and how to mend it
    Doctor(ServeArgs),
    /// Ask the server on this machine whether it is ready
    Health(ServeArgs),
    /// Write a completion script for a shell
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, clap::Args)]
struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
}

/// What programs read off the exit: the contract's codes.
pub mod exit {
    /// Done.
    pub const DONE: u8 = 0;
    /// Failed.
    pub const FAILED: u8 = 1;
    /// Asked for in a way that makes no sense.
    pub const USAGE: u8 = 2;
    /// Denied by policy.
    pub const DENIED: u8 = 3;
    /// Not authenticated.
    pub const UNAUTHENTICATED: u8 = 4;
    /// Nobody answers.
    pub const UNREACHABLE: u8 = 5;
}

/// Runs what the arguments of this process ask for.
pub fn run() -> ExitCode {
    let command = match Cli::parse().part {
        // Before there is any thread.
        Part::Sandbox { stage } => return sandbox::execute(stage),
        Part::Command(it) => it,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build();
    let done = runtime.map_err(anyhow::Error::from);
    match done.and_then(|it| it.block_on(dispatch(command))) {
        Ok(code) => code,
        Err(error) => {
            out::complain(&format!("{error:#}"));
            ExitCode::from(exit::FAILED)
        }
    }
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    let clock = Clock::system();
    match command {
        Command::Demo => demo::run(clock).await,
        Command::Dev(args) => dev::run(args, clock).await,
        Command::Serve(args) => serve::run(settings(&args.settings)?, clock).await,
        Command::Init(args) => init::run(&args, &clock),
        Command::SeedAdmin(args) => host::seed_admin(args, clock).await,
        Command::User(command) => user::run(command, clock).await,
        Command::Policy(command) => policy::run(command, &clock).await,
        Command::Token(command) => token::run(command, &clock).await,
        Command::Tools(command) => tools::run(command, clock).await,
        Command::Key(args) => Ok(key::run(args).await),
        Command::Approval(args) => Ok(approval::run(args).await),
        Command::Can(args) => Ok(can::run(&args).await),
        Command::Secrets(command) => secrets::run(command, clock).await,
        Command::Audit(command) => audit::run(command).await,
        Command::Migrate(args) => host::migrate(&settings(&args.settings)?).await,
        Command::Doctor(args) => doctor::run(&args.settings, clock).await,
        Command::Health(args) => host::health(&settings(&args.settings)?).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "gatewright", &mut script);
            out::say(String::from_utf8(script)?.trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The settings, or every fault of theirs.
fn settings(args: &SettingsArgs) -> anyhow::Result<Settings> {
    let cwd = std::env::current_dir()?;
    Ok(Settings::load(args, std::env::vars_os(), &cwd)?)
}
