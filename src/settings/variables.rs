//! Variables as a source of settings: of `.env` and of the process.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::PREFIX;
use super::faults::Source;
use super::sources::Gathered;

/// Name, value and source.
pub type Variable = (String, String, Source);

/// The settings' variables of `.env`, where there is one. They are not put into the process's environment.
pub fn dot_env(all: &mut Gathered, cwd: &Path) -> Vec<Variable> {
    let path = PathBuf::from(".env");
    let text = match fs::read_to_string(cwd.join(&path)) {
        Ok(it) => it,
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            let problem = format!("cannot be read: {error}");
            all.refuse_source(Source::File { path, line: 1 }, problem, "make it readable");
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for line in dotenvy::from_read_iter(text.as_bytes()) {
        match line {
            Ok((name, _)) if !name.starts_with(PREFIX) => {}
            Ok((name, value)) => {
                let source = Source::DotEnv { path: path.clone(), variable: name.clone() };
                found.push((name, value, source));
            }
            // The error's own words repeat the line, which may hold a secret.
            Err(error) => {
                let line = line_of(&error, &text);
                let source = Source::File { path: path.clone(), line };
                all.refuse_source(source, "is not NAME=value".to_owned(), "quote the value");
            }
        }
    }
    found
}

fn line_of(error: &dotenvy::Error, text: &str) -> usize {
    let dotenvy::Error::LineParse(wrong, _) = error else { return 1 };
    let first = wrong.lines().next().unwrap_or_default();
    text.lines().position(|it| it.trim() == first.trim()).map_or(1, |it| it + 1)
}

/// The settings' variables of the process.
pub fn of_process(
    all: &mut Gathered,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<Variable> {
    let mut found = Vec::new();
    for (name, value) in environment {
        let Ok(name) = name.into_string() else { continue };
        if !name.starts_with(PREFIX) || is_service_link(&name) {
            continue;
        }
        let source = Source::Variable(name.clone());
        match value.into_string() {
            Ok(value) => found.push((name, value, source)),
            Err(_) => all.refuse_source(source, "is not UTF-8".to_owned(), "set it anew"),
        }
    }
    found
}

/// Whether Kubernetes made the variable: beside a service named `gatewright` every pod gets
/// `GATEWRIGHT_SERVICE_HOST`, `GATEWRIGHT_PORT_8080_TCP` and their like.
fn is_service_link(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    rest == "SERVICE_HOST"
        || rest.starts_with("SERVICE_PORT")
        || rest.strip_prefix("PORT").is_some_and(|it| it.is_empty() || it.starts_with('_'))
}
