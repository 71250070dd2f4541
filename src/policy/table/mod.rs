//! The decision tables: requests with the answers that policies must give.
//!
//! A table, `tests/*.toml`, is a list of rows; `tests/fixtures.toml` is what they are about, see
//! [`fixtures`]. A row:
//!
//! ```toml
//! [[test]]
//! name = "a translator asks for one hour"
//! principal = "Agent:lingua"
//! action = "request_credential"
//! resource = "Tool:translate"
//! at = "2026-03-14T09:00[Europe/Berlin]"
//! token = ["agent:translate"]
//! ask = ["read"]
//! ttl_seconds = 3600
//! expect = "allow"
//! by = ["use.translators"]
//! ```
//!
//! * `expect`: `allow`, `deny`, or `impossible` when the schema has no such request.
//! * `by` (optional): the ids of exactly the policies that determine the answer; `[]` on a denial
//!   says that no permit matched.
//! * Facts (optional): what differs from the world's facts, see [`facts`]. `[defaults]` of a table
//!   are facts of all its rows that are told them.
//! * `change` (optional): attributes of entities that differ from the world's, as in
//!   `change."Bundle:b1".tests_green = false`.
//! * `without` (optional): facts and attributes that are not there, as in
//!   `["country", "delegation.mandate", "Approval:p1.agent"]`.
//! * `grants` (optional): templates linked for this row, as in
//!   `[{ template = "grant.agent-tool", principal = "Agent:bot", resource = "Tool:pay" }]`;
//!   in `by` a grant goes by its template's id.

mod coverage;
mod entities;
mod facts;
mod fixtures;
mod grants;
mod mutate;
mod rows;
mod run;

use serde_json::{Map, Value};
use toml::Spanned;

use super::bundle::Bundle;
use super::cores;
use super::fault::Fault;
use super::load::{SourceFile, Tests};

use self::fixtures::World;
use self::rows::{Accepted, Written};

pub use self::coverage::{Condition, Coverage, Covered};
pub(super) use self::entities::chain;
pub use self::mutate::{Mutation, Survivor};
pub(super) use self::run::Prepared;
#[cfg(test)]
pub(super) use self::run::Question;

/// Decision tables, ready to be asked of the bundle they were read for.
#[derive(Default)]
pub struct Table {
    parts: Vec<Part>,
}

/// The rows of one file.
struct Part {
    file: SourceFile,
    rows: Vec<Prepared>,
    accepted: Vec<Accepted>,
}

/// A file that was read.
struct Read<'a> {
    file: &'a SourceFile,
    /// Facts of every row that is told them.
    defaults: Map<String, Value>,
    written: Written,
}

/// What came of a row.
pub struct Ran {
    /// The path of its table.
    pub file: String,
    /// The row's own.
    pub name: String,
    /// Why it failed, if it did.
    pub fault: Option<Fault>,
}

impl Table {
    /// Reads the rows of `tests` and prepares their requests for `bundle`.
    ///
    /// # Errors
    /// What does not parse, a fact that the action is not told, an entity that is not in the
    /// world, a grant of a template that is not there.
    pub fn read(tests: &Tests, bundle: &Bundle) -> Result<Table, Vec<Fault>> {
        let world = World::read(&tests.fixtures, bundle).map_err(|it| vec![it])?;
        let (files, mut faults) = Read::all(tests);
        let mut prepared = Read::prepared(&files, &world, bundle).into_iter();
        let mut parts = Vec::with_capacity(files.len());
        for Read { file, written, .. } in files {
            let mut rows = Vec::with_capacity(written.test.len());
            for row in prepared.by_ref().take(written.test.len()) {
                match row {
                    Ok(row) => rows.push(row),
                    Err(fault) => faults.push(fault),
                }
            }
            let accepted = written.accept.into_iter().map(Spanned::into_inner).collect();
            parts.push(Part { file: file.clone(), rows, accepted });
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

    /// Only the rows that `chosen` takes, which is shown `FILE: NAME` of each.
    #[must_use]
    pub fn filtered(mut self, chosen: impl Fn(&str) -> bool) -> Table {
        for Part { file, rows, .. } in &mut self.parts {
            rows.retain(|row| chosen(&format!("{}: {}", file.path, row.name())));
        }
        self
    }

    /// Asks `bundle` every row, in order.
    pub fn run(&self, bundle: &Bundle) -> Vec<Ran> {
        let rows: Vec<(&Part, &Prepared)> = self.placed().collect();
        cores::each(&rows, |(part, row)| Ran {
            file: part.file.path.clone(),
            name: row.name().to_owned(),
            fault: row.complaint(bundle).map(|it| part.fault(row, &it)),
        })
    }

    /// The rows that `bundle` answers otherwise than they expect.
    pub fn faults(&self, bundle: &Bundle) -> Vec<Fault> {
        self.run(bundle).into_iter().filter_map(|it| it.fault).collect()
    }

    pub(in crate::policy) fn rows(&self) -> impl Iterator<Item = &Prepared> {
        self.placed().map(|(_, row)| row)
    }

    fn placed(&self) -> impl Iterator<Item = (&Part, &Prepared)> {
        self.parts.iter().flat_map(|part| part.rows.iter().map(move |row| (part, row)))
    }
}

impl<'a> Read<'a> {
    /// Every table that can be read, and what is wrong with the others.
    fn all(tests: &'a Tests) -> (Vec<Read<'a>>, Vec<Fault>) {
        let (mut files, mut faults) = (Vec::with_capacity(tests.tables.len()), Vec::new());
        for (file, read) in tests.tables.iter().zip(cores::each(&tests.tables, rows::read)) {
            match read {
                Ok(written) => files.push(Read { file, defaults: written.defaults(), written }),
                Err(more) => faults.extend(more),
            }
        }
        (files, faults)
    }

    /// Every row of `files`, one after the other.
    fn prepared(
        files: &[Read<'_>],
        world: &World<'_>,
        bundle: &Bundle,
    ) -> Vec<Result<Prepared, Fault>> {
        let rows = files.iter().flat_map(|it| it.written.test.iter().map(move |row| (it, row)));
        cores::each(&rows.collect::<Vec<_>>(), |(read, row)| {
            let (at, row) = (row.span().start, row.get_ref());
            Prepared::new(row, at, &read.defaults, world, bundle)
                .map_err(|it| Fault::at(read.file, at, format!("row `{}`: {it:#}", row.name)))
        })
    }
}

impl Part {
    fn fault(&self, row: &Prepared, problem: &str) -> Fault {
        Fault::at(&self.file, row.at(), format!("row `{}`: {problem}", row.name()))
    }
}

/// The entities of the fixtures.
#[cfg(test)]
pub(super) fn entities(tests: &Tests, bundle: &Bundle) -> cedar_policy::Entities {
    World::read(&tests.fixtures, bundle).unwrap().population.into_entities()
}
