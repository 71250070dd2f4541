//! The decision table: requests with the answers that policies must give.
//!
//! A table, `tests/*.json`, is an array of rows; `tests/world.json` is what they are about. A row:
//!
//! ```json
//! { "name": "a translator asks for one hour",
//!   "principal": "Agent:lingua", "action": "request_credential", "resource": "Tool:translate",
//!   "facts": { "token": ["agent:translate"], "ask": ["read"], "ttl_seconds": 3600 },
//!   "expect": "allow", "by": ["use.translators"] }
//! ```
//!
//! * `expect`: `allow`, `deny`, or `impossible` when the schema has no such request.
//! * `by` (optional): the ids of exactly the policies that determine the answer; `[]` on a denial
//!   says that no permit matched.
//! * `facts` (optional): what differs from the world's facts, see [`facts`]; null leaves one out.
//! * `change` (optional): attributes of entities that differ from the world's, as in
//!   `{ "Bundle:b1": { "tests_green": false } }`, in Cedar's entity JSON.
//! * `grants` (optional): templates linked for this row, as in
//!   `[{ "template": "grant.agent-tool", "principal": "Agent:bot", "resource": "Tool:pay" }]`;
//!   in `by` a grant goes by its template's id.

mod facts;
mod run;
mod world;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::bundle::Bundle;
use super::fault::Fault;
use super::load::{SourceFile, Tests};
use crate::authz::uid::Reference;

use self::world::World;

pub(super) use self::run::Prepared;
#[cfg(test)]
pub(super) use self::run::{Question, without};
pub(super) use self::world::chain;

/// Decision tables, ready to be asked of the bundle they were read for.
pub struct Table {
    parts: Vec<Part>,
}

/// The rows of one file.
struct Part {
    file: SourceFile,
    rows: Vec<Prepared>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    principal: Reference,
    action: String,
    resource: Reference,
    expect: Expect,
    by: Option<Vec<String>>,
    #[serde(default)]
    facts: Map<String, Value>,
    #[serde(default)]
    change: BTreeMap<Reference, Map<String, Value>>,
    #[serde(default)]
    grants: Vec<Grant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expect {
    Allow,
    Deny,
    Impossible,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    template: String,
    principal: Option<Reference>,
    resource: Option<Reference>,
}

impl Table {
    /// Reads the rows of `tests` and prepares their requests for `bundle`.
    ///
    /// # Errors
    /// What does not parse, a fact that the action is not told, an entity that is not in the
    /// world, a grant of a template that is not there.
    pub fn read(tests: &Tests, bundle: &Bundle) -> Result<Table, Vec<Fault>> {
        let world = World::read(&tests.fixtures, bundle.schema()).map_err(|it| vec![it])?;
        let mut parts = Vec::with_capacity(tests.tables.len());
        let mut faults = Vec::new();
        for file in &tests.tables {
            match Part::read(file, &world, bundle) {
                Ok(part) => parts.push(part),
                Err(more) => faults.extend(more),
            }
        }
        if faults.is_empty() { Ok(Table { parts }) } else { Err(faults) }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|it| it.rows.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows that `bundle` answers otherwise than they expect.
    pub fn run(&self, bundle: &Bundle) -> Vec<Fault> {
        let complaints = |part: &Part| {
            let complaint =
                |row: &Prepared| Some(of_row(&part.file, row.name(), &row.complaint(bundle)?));
            part.rows.iter().filter_map(complaint).collect::<Vec<_>>()
        };
        self.parts.iter().flat_map(complaints).collect()
    }

    /// The policies and templates that no row would miss: leaving any one of these out flips no
    /// decision of the table.
    pub fn unnoticed(&self, bundle: &Bundle) -> Vec<String> {
        bundle
            .metas()
            .keys()
            .filter(|id| !self.rows().any(|row| row.flips_without(id, bundle)))
            .cloned()
            .collect()
    }

    pub(in crate::policy) fn rows(&self) -> impl Iterator<Item = &Prepared> {
        self.parts.iter().flat_map(|it| &it.rows)
    }
}

impl Part {
    fn read(file: &SourceFile, world: &World, bundle: &Bundle) -> Result<Part, Vec<Fault>> {
        let rows: Vec<Row> = parse(file).map_err(|it| vec![it])?;
        let mut prepared = Vec::with_capacity(rows.len());
        let mut faults = Vec::new();
        for row in rows {
            match Prepared::new(&row, world, bundle) {
                Ok(row) => prepared.push(row),
                Err(problem) => faults.push(of_row(file, &row.name, &format!("{problem:#}"))),
            }
        }
        if faults.is_empty() {
            Ok(Part { file: file.clone(), rows: prepared })
        } else {
            Err(faults)
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(file: &SourceFile) -> Result<T, Fault> {
    serde_json::from_str(&file.text).map_err(|error| Fault {
        line: error.line(),
        column: error.column(),
        ..Fault::whole(&file.path, error.to_string())
    })
}

/// The place of the row called `name`, found by its name: JSON values don't know where they stood.
fn of_row(file: &SourceFile, name: &str, problem: &str) -> Fault {
    let quoted = Value::from(name).to_string();
    let offset = file.text.find(&quoted).unwrap_or(0);
    Fault::at(file, offset, format!("row `{name}`: {problem}"))
}
