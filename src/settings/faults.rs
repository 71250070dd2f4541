//! What is wrong with the settings, all of it at once, and how to mend it.

use std::fmt;
use std::path::PathBuf;

use super::keys;

/// Where a value came from, in the order in which later ones win.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody gave one.
    Default,
    /// A line (from 1) of the TOML file.
    File { path: PathBuf, line: usize },
    /// A line of `.env`.
    DotEnv { path: PathBuf, variable: String },
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line, with its dashes.
    Flag(String),
}

impl Source {
    /// A setting's name the way this source spells it.
    pub(super) fn spell(&self, key: &str) -> String {
        match self {
            Source::Default | Source::File { .. } => key.to_owned(),
            Source::DotEnv { .. } | Source::Variable(_) => keys::variable(key),
            Source::Flag(_) => format!("--{}", keys::flag(key)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => out.write_str("not set"),
            Source::File { path, line } => write!(out, "{}:{line}", path.display()),
            Source::DotEnv { path, variable } => write!(out, "{variable} in {}", path.display()),
            Source::Variable(variable) => write!(out, "variable {variable}"),
            Source::Flag(flag) => write!(out, "flag {flag}"),
        }
    }
}

/// One thing that is wrong. Never holds the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub source: Source,
    /// The setting, as in `auth.issuer`; what was written, where no setting has that name.
    pub key: String,
    pub problem: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { source, key, problem, fix } = self;
        if key.is_empty() {
            return write!(out, "({source}): {problem}\n    {fix}");
        }
        write!(out, "`{key}` ({source}): {problem}\n    {fix}")
    }
}

/// Everything that is wrong, one fault or more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => writeln!(out, "the settings have a fault:")?,
            count => writeln!(out, "the settings have {count} faults:")?,
        }
        self.0.iter().try_for_each(|it| writeln!(out, "  {it}"))
    }
}
