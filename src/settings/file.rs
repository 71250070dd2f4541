//! The TOML file as a source of settings.

use std::fs;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::faults::Source;
use super::keys;
use super::sources::Gathered;

/// Offers everything that the file at `path` holds.
pub fn read(all: &mut Gathered, cwd: &Path, path: &Path) {
    let at = |line| Source::File { path: path.to_owned(), line };
    let text = match fs::read_to_string(cwd.join(path)) {
        Ok(it) => it,
        Err(error) => {
            let problem = format!("cannot be read: {error}");
            return all.refuse_source(at(1), problem, "name a file that the server may read");
        }
    };
    let (document, errors) = DeTable::parse_recoverable(&text);
    // The error's `Display` would quote the line, which may hold a secret.
    for error in &errors {
        let source = at(line(&text, error.span()));
        all.refuse_source(source, error.message().replace('\n', ", "), "correct the TOML");
    }
    if errors.is_empty() {
        Walk { all, path, text: &text }.table("", document.get_ref());
    }
}

struct Walk<'a> {
    all: &'a mut Gathered,
    path: &'a Path,
    text: &'a str,
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let name_at = Source::File {
                path: self.path.to_owned(),
                line: line(self.text, Some(name.span())),
            };
            let name = format!("{prefix}{}", name.get_ref());
            match value.get_ref() {
                DeValue::Table(inner) if keys::is_table(&name) => {
                    self.table(&format!("{name}."), inner);
                }
                _ if keys::is_table(&name) => {
                    let fix = format!("write `[{name}]` and the settings below it");
                    self.all.refuse(name_at, &name, "is a table, not a value".to_owned(), fix);
                }
                _ => {
                    let value = Value::deserialize(ValueDeserializer::from(value.clone()));
                    self.all.offer(&name, value.unwrap_or_default(), name_at);
                }
            }
        }
    }
}

/// The line, from 1, in which a span begins.
fn line(text: &str, span: Option<Range<usize>>) -> usize {
    let before = span.and_then(|it| text.get(..it.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}
