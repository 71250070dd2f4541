//! `gatewright policy schema`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::folders::Folders;
use super::registry::Registry;
use super::{Failure, said};
use crate::cli::out::{complain, say};
use crate::policy::typed;

#[derive(Debug, Args)]
pub struct SchemaArgs {
    #[command(flatten)]
    folders: Folders,
    #[command(flatten)]
    registry: Registry,
    /// A tool whose calls get types; without it, those that the policies name
    #[arg(long, value_name = "NAME")]
    tool: Vec<String>,
    /// Only what is to be kept beside the schema, as schemas/tools.cedarschema
    #[arg(long)]
    tools_only: bool,
    /// Where it is written to; without it, standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub async fn schema(args: &SchemaArgs) -> Result<ExitCode, Failure> {
    let landscape = args.registry.landscape().await?;
    let sources = args.folders.sources()?;
    let tools = match args.tool.is_empty() {
        true => sources.named_tools()?,
        false => args.tool.clone(),
    };
    let (core, types) = typed::gather(&sources, &tools, landscape.as_deref())?;
    let text = match args.tools_only {
        true => typed::schema_of(&types, &core),
        false => typed::export(&core, &types),
    };
    let text = text.map_err(anyhow::Error::msg)?;
    if types.is_empty() && args.tools_only {
        complain(
            "no tool is typed: only those are that a policy names as \
             `action == Gatewright::Action::\"call:NAME\"`, or that are asked for by `--tool NAME`",
        );
    }
    let Some(path) = &args.output else {
        say(text.trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::write(path, &text).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(said(&format!("{} tool(s) typed in {}", types.len(), path.display())))
}
