//! The settings as an operator meets them: files, variables and flags in, settings or faults out.

mod issuers;
mod production;
mod secrets;
mod sources;
mod vault;

use std::fs;

use clap::{Args, Command, FromArgMatches};
use tempfile::TempDir;

use super::{Faults, Settings, SettingsArgs};

/// A folder with settings in it, and a command line and an environment to load them with.
struct Given {
    folder: TempDir,
    environment: Vec<(String, String)>,
    flags: Vec<String>,
}

fn given() -> Given {
    Given { folder: tempfile::tempdir().unwrap(), environment: Vec::new(), flags: Vec::new() }
}

impl Given {
    fn file(self, name: &str, text: &str) -> Given {
        fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    fn toml(self, text: &str) -> Given {
        self.file("gatewright.toml", text)
    }

    fn variable(mut self, name: &str, value: &str) -> Given {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn flags(mut self, flags: &[&str]) -> Given {
        self.flags.extend(flags.iter().map(|it| (*it).to_owned()));
        self
    }

    fn args(&self) -> SettingsArgs {
        let program = std::iter::once("serve".to_owned());
        let matches = SettingsArgs::augment_args(Command::new("serve"))
            .try_get_matches_from(program.chain(self.flags.clone()))
            .unwrap();
        SettingsArgs::from_arg_matches(&matches).unwrap()
    }

    fn load(&self) -> Result<Settings, Faults> {
        let environment = self.environment.iter().map(|(name, it)| (name.into(), it.into()));
        Settings::load(&self.args(), environment, self.folder.path())
    }

    fn loaded(&self) -> Settings {
        self.load().unwrap_or_else(|faults| panic!("{faults}"))
    }

    fn refused(&self) -> Faults {
        self.load().map(|_| ()).expect_err("no fault")
    }

    /// Source, key and problem of each fault.
    fn faults(&self) -> Vec<(String, String, String)> {
        let faults = self.refused().0.into_iter();
        faults.map(|it| (it.source.to_string(), it.key, it.problem)).collect()
    }
}

fn fault(source: &str, key: &str, problem: &str) -> (String, String, String) {
    (source.to_owned(), key.to_owned(), problem.to_owned())
}

/// A deployment that production accepts.
fn production() -> Given {
    given()
        .variable("GATEWRIGHT_ENVIRONMENT", "production")
        .variable("GATEWRIGHT_PUBLIC_URL", "https://gate.example")
        .variable("GATEWRIGHT_DATABASE__URL", "postgres://app:word@db.example/gate")
}
