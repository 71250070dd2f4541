//! Where values come from: the TOML file, `.env`, the environment and the flags, in this order;
//! later ones win, and a wrong value is a fault even where a later one hides it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::args::SettingsArgs;
use super::check::{from_text, misfit};
use super::faults::{Fault, Source};
use super::keys::{self, Kind};
use super::{FILE, PREFIX, file, variables};

/// Variables with the settings' prefix that are no settings: the name of the settings' file, the
/// server and the token of the commands that call one, and where scripts/test keeps its tools,
/// which a server started by a test inherits.
const OTHER_VARIABLES: [&str; 4] =
    [CONFIG, "GATEWRIGHT_URL", "GATEWRIGHT_TOKEN", "GATEWRIGHT_TOOLS"];

/// Names the TOML file, where no `--config` does.
const CONFIG: &str = "GATEWRIGHT_CONFIG";

/// One value and who gave it. It may be a secret: neither this nor [`Gathered`] prints.
pub struct Given {
    pub value: Value,
    pub source: Source,
}

/// The value of each setting that has one, and everything that was wrong on the way.
#[derive(Default)]
pub struct Gathered {
    pub given: BTreeMap<String, Given>,
    pub faults: Vec<Fault>,
    /// Whether a source could not be read, so that what it gives is unknown.
    pub incomplete: bool,
}

/// Reads every source.
pub fn gather(
    args: &SettingsArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    cwd: &Path,
) -> Gathered {
    let mut all = Gathered::default();
    let mut variables = variables::dot_env(&mut all, cwd);
    variables.extend(variables::of_process(&mut all, environment));
    let named = variables.iter().rfind(|it| it.0 == CONFIG).map(|it| PathBuf::from(&it.1));
    match args.config.clone().or(named) {
        Some(path) => file::read(&mut all, cwd, &path),
        None => match cwd.join(FILE).symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            _ => file::read(&mut all, cwd, FILE.as_ref()),
        },
    }
    for (variable, text, source) in variables {
        let name = variable.strip_prefix(PREFIX).unwrap_or(&variable);
        if !OTHER_VARIABLES.contains(&&*variable) {
            all.offer_text(&name.replace("__", ".").to_lowercase(), &text, source);
        }
    }
    for (key, text) in &args.flags {
        all.offer_text(key, text, Source::Flag(format!("--{}", keys::flag(key))));
    }
    all.read_secret_files(cwd);
    all
}

impl Gathered {
    /// Takes a value for the setting `name`, or says what is wrong with it.
    pub fn offer(&mut self, name: &str, value: Value, source: Source) {
        let Some(key) = keys::find(name) else { return self.refuse_unknown(name, source) };
        match misfit(key, name, &value) {
            None => drop(self.given.insert(name.to_owned(), Given { value, source })),
            Some(it) => self.refuse(source, &it.place, it.problem, key.advice()),
        }
    }

    fn offer_text(&mut self, name: &str, text: &str, source: Source) {
        let mut at = (name.to_owned(), text);
        if keys::KEYS.iter().any(|it| it.kind == Kind::Lists && it.name == name) {
            let Some((entry, list)) = text.split_once('=') else {
                let fix = "write NAME=LIST, with commas between the parts of the list".to_owned();
                return self.refuse(source, name, format!("`{text}` names no entry"), fix);
            };
            at = (format!("{name}.{entry}"), list);
        }
        let kind = keys::find(&at.0).map_or(&Kind::Text, |it| &it.kind);
        self.offer(&at.0, from_text(kind, at.1), source);
    }

    /// Says that no setting has this name, and which one was likely meant.
    pub fn refuse_unknown(&mut self, name: &str, source: Source) {
        let fix = match keys::nearest(name) {
            _ if keys::is_table(name) => {
                format!("give the settings in it: `{}`", source.spell(&format!("{name}.name")))
            }
            Some(known) => format!("did you mean `{}`?", source.spell(known)),
            None => "take it out; `gatewright init` writes a file with all settings".to_owned(),
        };
        self.refuse(source, name, "there is no such setting".to_owned(), fix);
    }

    /// Adds a fault.
    pub fn refuse(&mut self, source: Source, key: &str, problem: String, fix: String) {
        self.faults.push(Fault { source, key: key.to_owned(), problem, fix });
    }

    /// Says that a whole source is unreadable.
    pub fn refuse_source(&mut self, source: Source, problem: String, fix: &str) {
        self.incomplete = true;
        self.refuse(source, "", problem, fix.to_owned());
    }

    fn read_secret_files(&mut self, cwd: &Path) {
        for key in keys::KEYS.iter() {
            let Some(secret) = &key.fills else { continue };
            let Some(it) = self.given.remove(&key.name) else { continue };
            if let Some(other) = self.given.get(secret) {
                let problem = format!("`{secret}` is given as well ({})", other.source);
                self.refuse(it.source, &key.name, problem, "keep one of the two".to_owned());
                continue;
            }
            match fs::read_to_string(cwd.join(it.value.as_str().unwrap_or_default())) {
                Ok(text) => {
                    let text = text.strip_suffix('\n').unwrap_or(&text);
                    let text = text.strip_suffix('\r').unwrap_or(text);
                    self.offer(secret, Value::from(text), it.source);
                }
                Err(error) => {
                    let problem = format!("`{}` cannot be read: {error}", it.value);
                    let fix = "name a file that the server may read".to_owned();
                    self.refuse(it.source, &key.name, problem, fix);
                }
            }
        }
    }
}
