//! Reads records from a file, and says in which line it has to be mended.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::index::{Index, IndexError};
use crate::clock::Clock;

/// The largest file.
pub const DATA_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The most records.
pub const RECORDS_MAX: usize = 1_000_000;
/// The largest record, as JSON.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;
/// The most fields of a record.
pub const FIELDS_MAX: usize = 256;

/// How the file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Comma-separated values (RFC 4180), names in the first line
    Csv,
    /// A JSON object a line
    Jsonl,
}

/// What is wrong with the data.
#[derive(Debug, thiserror::Error)]
pub enum BadData {
    #[error("the file cannot be read")]
    Read(#[from] std::io::Error),
    #[error("the file is larger than {DATA_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the file has more than {RECORDS_MAX} records")]
    TooMany,
    #[error("the file has no record")]
    Empty,
    #[error("line {line}: {detail}")]
    Line { line: u64, detail: String },
    #[error("the records cannot be indexed")]
    Index(#[from] IndexError),
}

impl Format {
    /// By the end of the file's name.
    pub fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Format::Csv),
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            _ => None,
        }
    }
}

/// Reads all records into an index. A record's id is what its field `id` holds, or else its number.
pub fn load(from: impl Read, format: Format, clock: &Clock) -> Result<Index, BadData> {
    let mut from = Measured { inner: from, left: DATA_BYTES_MAX };
    let mut loading = Loading { index: Index::new(clock.clone())?, ids: HashSet::new() };
    match format {
        Format::Csv => loading.csv(&mut from)?,
        Format::Jsonl => loading.jsonl(&mut from)?,
    }
    if from.left == 0 {
        return Err(BadData::TooLarge);
    }
    if loading.ids.is_empty() {
        return Err(BadData::Empty);
    }
    loading.index.finish()?;
    Ok(loading.index)
}

struct Loading {
    index: Index,
    ids: HashSet<String>,
}

impl Loading {
    fn csv(&mut self, from: &mut impl Read) -> Result<(), BadData> {
        let mut reader = csv::Reader::from_reader(from);
        let names = reader.headers().map_err(unreadable)?.clone();
        let names: Vec<&str> = names.iter().map(str::trim).collect();
        let distinct: HashSet<&&str> = names.iter().collect();
        if distinct.len() < names.len() || names.contains(&"") {
            return Err(at(1, "every column needs a name of its own"));
        }
        let mut row = csv::StringRecord::new();
        while reader.read_record(&mut row).map_err(unreadable)? {
            let line = row.position().map_or(0, csv::Position::line);
            let fields = names.iter().zip(&row);
            let record = fields.map(|(name, it)| ((*name).to_owned(), it.into())).collect();
            self.add(line, &record)?;
        }
        Ok(())
    }

    fn jsonl(&mut self, from: &mut impl Read) -> Result<(), BadData> {
        let mut reader = BufReader::new(from);
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            let whole = (RECORD_BYTES_MAX + 2) as u64;
            if reader.by_ref().take(whole).read_until(b'\n', &mut text)? == 0 {
                break;
            }
            if text.len() as u64 == whole {
                return Err(too_long(line));
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            let record: Map<String, Value> = serde_json::from_slice(&text)
                .map_err(|it| at(line, format!("this is no JSON object: {it}")))?;
            self.add(line, &record)?;
        }
        Ok(())
    }

    fn add(&mut self, line: u64, record: &Map<String, Value>) -> Result<(), BadData> {
        if self.ids.len() == RECORDS_MAX {
            return Err(BadData::TooMany);
        }
        if record.len() > FIELDS_MAX {
            return Err(at(line, format!("the record has more than {FIELDS_MAX} fields")));
        }
        let json = Value::Object(record.clone()).to_string();
        if json.len() > RECORD_BYTES_MAX {
            return Err(too_long(line));
        }
        let id = record.get("id").map(text).filter(|it| !it.is_empty());
        let id = id.unwrap_or_else(|| (self.ids.len() + 1).to_string());
        let words: Vec<String> = record.values().map(text).collect();
        self.index.add(&id, &words.join("\n"), &json)?;
        match self.ids.insert(id.clone()) {
            true => Ok(()),
            false => Err(at(line, format!("there is a record `{id}` already"))),
        }
    }
}

/// A value as it is searched for.
fn text(it: &Value) -> String {
    match it {
        Value::Null => String::new(),
        Value::String(it) => it.clone(),
        other => other.to_string(),
    }
}

fn at(line: u64, detail: impl Into<String>) -> BadData {
    BadData::Line { line, detail: detail.into() }
}

fn too_long(line: u64) -> BadData {
    at(line, format!("the record is longer than {RECORD_BYTES_MAX} bytes"))
}

fn unreadable(error: csv::Error) -> BadData {
    let line = error.position().map_or(0, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(it) => BadData::Read(it),
        csv::ErrorKind::Utf8 { .. } => at(line, "this is not UTF-8"),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            at(line, format!("it has {len} fields and the first line {expected_len}"))
        }
        _ => at(line, "this is no CSV"),
    }
}

/// Ends a file that is too large, so that memory is bounded whatever it is.
struct Measured<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left -= read as u64;
        Ok(read)
    }
}
