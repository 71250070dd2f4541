//! The settings as flags: one flag for each, made from the same list.

use std::fmt;
use std::path::PathBuf;

use clap::error::Error;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use super::keys::{KEYS, Key, Kind, SECTIONS, toml_text, variable};

const TOP: &str = "Settings";

/// What the command line says about settings. Flatten it into a command:
/// `#[command(flatten)] settings: SettingsArgs`.
#[derive(Clone, Default)]
pub struct SettingsArgs {
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// Setting and text of each flag that was given.
    pub(super) flags: Vec<(&'static str, String)>,
}

impl fmt::Debug for SettingsArgs {
    /// Names the flags without their texts, among which are secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.flags.iter().map(|it| it.0).collect();
        out.debug_struct("SettingsArgs")
            .field("config", &self.config)
            .field("flags", &keys)
            .finish()
    }
}

impl Args for SettingsArgs {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("TOML file of settings; ./gatewright.toml when there is one")
            .help_heading(TOP);
        KEYS.iter().fold(command.arg(config), |command, key| command.arg(flag(key)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        SettingsArgs::augment_args(command)
    }
}

impl FromArgMatches for SettingsArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<SettingsArgs, Error> {
        let mut args = SettingsArgs::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        if let Some(path) = matches.get_one::<PathBuf>("config") {
            self.config = Some(path.clone());
        }
        for key in KEYS.iter() {
            for text in matches.get_many::<String>(&key.name).into_iter().flatten() {
                self.flags.push((&key.name, text.clone()));
            }
        }
        Ok(())
    }
}

fn flag(key: &'static Key) -> Arg {
    let section = SECTIONS.iter().find(|it| key.name.starts_with(&format!("{}.", it.name)));
    let default = key.default.as_ref().map(toml_text).filter(|it| it != "[]");
    let default = default.map(|it| format!(" [default: {}]", it.trim_matches('"')));
    let secret =
        if key.secret { "; a flag is seen by others on the machine, a file is not" } else { "" };
    let doc = key.doc.trim_end_matches('.');
    Arg::new(&*key.name)
        .long(&*key.flag)
        .value_name(value_name(key))
        .action(if key.kind == Kind::Lists { ArgAction::Append } else { ArgAction::Set })
        .help(format!(
            "{doc}{}{secret}{} [env: {}]",
            key.bounds(),
            default.unwrap_or_default(),
            variable(&key.name)
        ))
        .help_heading(section.map_or(TOP, |it| &*it.heading))
}

fn value_name(key: &Key) -> &'static str {
    match key.kind {
        Kind::Text if key.name.ends_with("_file") => "FILE",
        Kind::Text => "TEXT",
        Kind::Choice(_) => "WORD",
        Kind::Number { .. } => "NUMBER",
        Kind::Switch => "true|false",
        Kind::List => "LIST",
        Kind::Lists => "NAME=LIST",
        Kind::Tables => "JSON",
    }
}
