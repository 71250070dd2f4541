//! The fields of one table of TOML, taken one by one, with a place for every fault.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::{Spanned, Value};

use super::super::fault::Fault;
use super::super::load::SourceFile;

/// Below it, two words have nothing to do with each other.
const LIKENESS_MIN: f64 = 0.7;

pub(super) type Table = BTreeMap<Spanned<String>, Spanned<Value>>;

pub(super) struct Fields<'a> {
    pub(super) file: &'a SourceFile,
    /// Where the table's name stands.
    pub(super) at: Range<usize>,
    pub(super) table: Table,
    pub(super) faults: Vec<Fault>,
}

impl Fields<'_> {
    pub(super) fn fault(&mut self, at: usize, problem: impl Into<String>, fix: impl Into<String>) {
        self.faults.push(Fault::at(self.file, at, problem).fixed_by(fix));
    }

    /// A fault of the table as a whole.
    pub(super) fn lacks(&mut self, problem: impl Into<String>, fix: impl Into<String>) {
        self.fault(self.at.start, problem, fix);
    }

    /// The text of `key`, with its place.
    pub(super) fn text(&mut self, key: &str) -> Option<(usize, String)> {
        let value = self.table.remove(key)?;
        let at = value.span().start;
        match value.into_inner() {
            Value::String(it) if !it.is_empty() => Some((at, it)),
            _ => {
                self.fault(at, format!("`{key}` is not a text"), "write it in quotes");
                None
            }
        }
    }

    /// What the word of `key` stands for.
    pub(super) fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let (at, text) = self.text(key)?;
        let known = words.iter().find(|(word, _)| *word == text);
        if known.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.fault(at, format!("`{key}` cannot be `{text}`"), meant(&text, &words));
        }
        known.map(|(_, it)| *it)
    }

    /// Whatever was not taken is unknown.
    pub(super) fn refuse_rest(&mut self, known: &[&str]) {
        for (key, _) in std::mem::take(&mut self.table) {
            let problem = format!("there is no field `{}`", key.get_ref());
            self.fault(key.span().start, problem, meant(key.get_ref(), known));
        }
    }
}

/// The word that was probably meant, or all there are.
fn meant(written: &str, words: &[&str]) -> String {
    let likeness = |word: &str| strsim::jaro_winkler(written, word);
    let nearest = words.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|it| likeness(it) >= LIKENESS_MIN) {
        Some(it) => format!("did you mean `{it}`?"),
        None => format!("one of `{}`", words.join("`, `")),
    }
}
