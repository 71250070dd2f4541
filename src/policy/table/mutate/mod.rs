//! Mutation: whether rows would notice if a policy said something slightly else.
//!
//! A mutant that no row kills is a change of policy that nobody would notice, or one that changes
//! no answer there can be. The latter is accepted in a table, with the reason:
//!
//! ```toml
//! [[accept]]
//! policy = "use.translators"
//! mutant = 'context.ask.ttl <= duration("1h") → context.ask.ttl <= duration("3601s")'
//! why = "guard.ttl.global allows nobody more than an hour"
//! ```

mod bench;
mod moved;
mod mutants;

use std::sync::atomic::{AtomicUsize, Ordering};

use cedar_policy::{Policy, PolicyId, PolicySet, ValidationMode, Validator};
use serde::Serialize;

use super::Table;
use super::coverage::share;
use super::rows::Accepted;
use super::run::Prepared;
use crate::policy::anatomy::Anatomy;
use crate::policy::bundle::Bundle;
use crate::policy::check::DEREF_LEVEL;
use crate::policy::cores;
use crate::policy::fault::{Fault, position};

use self::bench::{Instead, Stand, is_as_wide};
use self::mutants::{Mutant, mutants};

/// What came of all mutants.
#[derive(Debug, Serialize)]
pub struct Mutation {
    /// Mutants that a bundle could hold and that say something else: those that validation refuses
    /// do not count, nor do those that leave out a type which the schema requires anyway.
    pub mutants: usize,
    pub killed: usize,
    /// How many were killed or accepted, of a hundred.
    pub percent: f64,
    /// Those that nobody accepted.
    pub survivors: Vec<Survivor>,
    pub accepted: usize,
    /// What is accepted and survives nothing: the policy or the rows have changed since.
    pub stale: Vec<String>,
}

/// A mutant that no row kills.
#[derive(Clone, Debug, Serialize)]
pub struct Survivor {
    /// The `@id`.
    pub policy: String,
    pub file: String,
    /// From 1, as is the column.
    pub line: usize,
    pub column: usize,
    /// What was changed into what.
    pub mutant: String,
}

/// What became of one mutant.
enum Fate {
    Invalid,
    Killed,
    Survived(Survivor),
}

impl Survivor {
    /// For the person who has to write a row.
    pub fn fault(&self) -> Fault {
        let problem = format!("no row notices: {}", self.mutant);
        let fault =
            Fault { line: self.line, column: self.column, ..Fault::whole(&self.file, problem) };
        fault.of_policy(&self.policy)
    }
}

impl Table {
    /// Decides the rows, all of which pass, under every mutant of every policy of `bundle` whose id
    /// begins with `prefix`.
    /// `progress` is told how many of how many are done, on whatever thread did them.
    ///
    /// # Errors
    /// A set that Cedar does not let be taken apart.
    pub fn mutate(
        &self,
        bundle: &Bundle,
        prefix: &str,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> anyhow::Result<Mutation> {
        let stands = self.stands(bundle)?;
        let ids = bundle.metas().keys().filter(|it| it.starts_with(prefix));
        let all: Vec<(&str, Mutant)> = ids.flat_map(|id| of(id, bundle)).collect();
        let validator = Validator::new(bundle.schema().clone());
        let (done, total) = (AtomicUsize::new(0), all.len());
        let fates = cores::each(&all, |(id, mutant)| {
            let fate = fate(id, mutant, &stands, bundle, &validator);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
            fate
        });
        Ok(self.told(prefix, fates))
    }

    /// The policies and templates that no row would miss: leaving any one of these out flips no
    /// decision of the rows, all of which pass.
    ///
    /// # Errors
    /// A set that Cedar does not let be taken apart.
    pub fn unnoticed(&self, bundle: &Bundle) -> anyhow::Result<Vec<String>> {
        let stands = self.stands(bundle)?;
        let ids = bundle.metas().keys();
        Ok(ids.filter(|id| !stands.iter().any(|it| it.flips_without(id))).cloned().collect())
    }

    fn stands(&self, bundle: &Bundle) -> anyhow::Result<Vec<Stand<'_>>> {
        let rows: Vec<&Prepared> = self.rows().collect();
        let stands = cores::each(&rows, |row| Stand::of(row, bundle));
        stands.into_iter().filter_map(Result::transpose).collect()
    }

    fn told(&self, prefix: &str, fates: Vec<Fate>) -> Mutation {
        let mut killed = 0;
        let mut survivors = Vec::new();
        for fate in fates {
            match fate {
                Fate::Invalid => {}
                Fate::Killed => killed += 1,
                Fate::Survived(it) => survivors.push(it),
            }
        }
        let mutants = killed + survivors.len();
        let accepted = self.parts.iter().flat_map(|it| &it.accepted);
        let accepted: Vec<&Accepted> =
            accepted.filter(|it| it.policy.starts_with(prefix)).collect();
        let accepts = |it: &Accepted, survivor: &Survivor| {
            it.policy == survivor.policy && it.mutant == survivor.mutant
        };
        let stale = accepted.iter().filter(|it| !survivors.iter().any(|one| accepts(it, one)));
        let stale = stale.map(|it| format!("{}: {}", it.policy, it.mutant)).collect();
        survivors.retain(|survivor| !accepted.iter().any(|it| accepts(it, survivor)));
        survivors.sort_by(|a, b| {
            (&a.file, a.line, a.column, &a.mutant).cmp(&(&b.file, b.line, b.column, &b.mutant))
        });
        let gone = mutants - survivors.len();
        let (percent, accepted) = (share(gone, mutants), gone - killed);
        Mutation { mutants, killed, percent, survivors, accepted, stale }
    }
}

/// The mutants of the policy or template called `id`. A link has no text but its template's: it is
/// there or not.
fn of<'a>(id: &'a str, bundle: &'a Bundle) -> Vec<(&'a str, Mutant)> {
    if link(id, bundle).is_some() {
        return vec![(id, Mutant::dropped())];
    }
    let anatomy = bundle.place(id).and_then(|_| Anatomy::of(&bundle.meta(id)?.text));
    let made = bundle.meta(id).zip(anatomy).map(|(meta, it)| mutants(&meta.text, &it));
    made.unwrap_or_default().into_iter().map(|it| (id, it)).collect()
}

/// The file and line of the link called `id`.
fn link<'a>(id: &str, bundle: &'a Bundle) -> Option<(&'a str, usize)> {
    bundle.policies().policy(&PolicyId::new(id))?.template_id()?;
    Some((&bundle.sources().links.as_ref()?.path, bundle.meta(id)?.line))
}

/// Where the mutant of `id` differs from it: file, line, column.
fn place(id: &str, mutant: &Mutant, bundle: &Bundle) -> Option<(String, usize, usize)> {
    if let Some((file, line)) = link(id, bundle) {
        return Some((file.to_owned(), line, 1));
    }
    let (file, start) = bundle.place(id)?;
    let (line, column) = position(&file.text, start + mutant.at);
    Some((file.path.clone(), line, column))
}

fn fate(
    id: &str,
    mutant: &Mutant,
    stands: &[Stand<'_>],
    bundle: &Bundle,
    validator: &Validator,
) -> Fate {
    let is_template = bundle.meta(id).is_some_and(|it| it.template);
    let Some(instead) = Instead::parse(id, mutant.text.as_deref(), is_template) else {
        return Fate::Invalid;
    };
    let refuses = |set: PolicySet| {
        let found = validator.validate_with_level(&set, ValidationMode::Strict, DEREF_LEVEL);
        !found.validation_passed() || found.validation_warnings().next().is_some()
    };
    let same = |it: &Policy| mutant.widened && is_as_wide(it, &instead, bundle);
    if instead.set().is_some_and(refuses)
        || bundle.policies().policy(&PolicyId::new(id)).is_some_and(same)
    {
        return Fate::Invalid;
    }
    let mut concerned = stands.iter().filter(|it| mutant.widened || it.knows(id));
    if concerned.any(|it| it.kills(id, &instead)) {
        return Fate::Killed;
    }
    match place(id, mutant, bundle) {
        Some((file, line, column)) => {
            let (policy, mutant) = (id.to_owned(), mutant.change.clone());
            Fate::Survived(Survivor { policy, file, line, column, mutant })
        }
        None => Fate::Invalid,
    }
}
