//! Reading a table: TOML in, rows with their places out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use toml::Spanned;

use super::facts::is_fact;
use crate::authz::uid::Reference;
use crate::policy::fault::Fault;
use crate::policy::load::SourceFile;
use crate::policy::meta::Fix;

/// How serde is told of a date that stands without quotes.
const DATE: &str = "$__toml_private_datetime";

/// A table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// Facts of every row that is told them.
    #[serde(default)]
    defaults: BTreeMap<String, Spanned<Value>>,
    #[serde(default)]
    pub(super) test: Vec<Spanned<Row>>,
    #[serde(default)]
    pub(super) accept: Vec<Spanned<Accepted>>,
}

/// A question, and the answer that is expected.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) principal: Reference,
    pub(super) action: String,
    pub(super) resource: Reference,
    pub(super) expect: Expect,
    pub(super) by: Option<Vec<String>>,
    pub(super) fix: Option<BTreeSet<Fix>>,
    #[serde(default)]
    pub(super) change: BTreeMap<Reference, Map<String, Value>>,
    #[serde(default)]
    pub(super) grants: Vec<Grant>,
    /// Facts (`country`, `delegation.mandate`) and attributes (`Approval:p1.agent`) that are not
    /// there: TOML has no null.
    #[serde(default)]
    without: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub(super) facts: Map<String, Value>,
}

/// What a row expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Expect {
    Allow,
    Deny,
    Impossible,
}

/// A template with its slots filled.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    pub(super) template: String,
    pub(super) principal: Option<Reference>,
    pub(super) resource: Option<Reference>,
}

/// A mutant that no row needs to kill.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accepted {
    pub(super) policy: String,
    /// As `--mutate` lists it.
    pub(super) mutant: String,
    pub(super) why: String,
}

/// Reads `file`.
///
/// # Errors
/// What does not parse, and a name that two rows bear.
pub(super) fn read(file: &SourceFile) -> Result<Written, Vec<Fault>> {
    if file.name.ends_with(".json") {
        return Err(vec![Fault::whole(&file.path, "a table is TOML")]);
    }
    let mut written: Written = parse(file).map_err(|it| vec![it])?;
    let unknown = written.defaults.iter().filter(|(name, _)| !is_fact(name));
    let unknown =
        unknown.map(|(name, it)| Fault::at(file, it.span().start, format!("no fact `{name}`")));
    let mut faults: Vec<Fault> = unknown.collect();
    let mut names = BTreeSet::new();
    for row in &mut written.test {
        let at = row.span().start;
        let row = row.as_mut();
        row.spell_out();
        if !names.insert(row.name.clone()) {
            faults.push(
                Fault::at(file, at, format!("a row `{}` stands before this one", row.name))
                    .fixed_by("name it otherwise"),
            );
        }
    }
    if faults.is_empty() { Ok(written) } else { Err(faults) }
}

/// Reads TOML; what does not parse is a fault at its place.
pub(super) fn parse<T: DeserializeOwned>(file: &SourceFile) -> Result<T, Fault> {
    toml::from_str(&file.text).map_err(|error| {
        Fault::at(file, error.span().map_or(0, |it| it.start), error.message().trim())
    })
}

impl Written {
    /// The facts of every row that is told them.
    pub(super) fn defaults(&self) -> Map<String, Value> {
        let mut defaults: Map<String, Value> = Map::new();
        for (name, value) in &self.defaults {
            let mut value = value.get_ref().clone();
            spell_dates(&mut value);
            defaults.insert(name.clone(), value);
        }
        defaults
    }
}

impl Row {
    /// Writes what is not there as null.
    fn spell_out(&mut self) {
        self.facts.values_mut().for_each(spell_dates);
        for change in self.change.values_mut() {
            change.values_mut().for_each(spell_dates);
        }
        for path in std::mem::take(&mut self.without) {
            match path.rsplit_once('.').map(|(of, name)| (Reference::try_from(of.to_owned()), name))
            {
                Some((Ok(entity), attribute)) => {
                    let change = self.change.entry(entity).or_default();
                    change.insert(attribute.to_owned(), Value::Null);
                }
                _ => leave_out(&mut self.facts, &path),
            }
        }
    }
}

fn leave_out(facts: &mut Map<String, Value>, path: &str) {
    match path.split_once('.') {
        None => {
            facts.insert(path.to_owned(), Value::Null);
        }
        Some((first, rest)) => {
            let record = facts.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(record) = record {
                leave_out(record, rest);
            }
        }
    }
}

/// A date is text to whoever reads on, with quotes or without.
pub(super) fn spell_dates(value: &mut Value) {
    match value {
        Value::Object(record) => match record.get(DATE) {
            Some(date) => *value = date.clone(),
            None => record.values_mut().for_each(spell_dates),
        },
        Value::Array(items) => items.iter_mut().for_each(spell_dates),
        _ => {}
    }
}

impl Expect {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Expect::Allow => "allow",
            Expect::Deny => "deny",
            Expect::Impossible => "impossible",
        }
    }
}
