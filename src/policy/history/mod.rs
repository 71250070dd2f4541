//! `history.toml`: what policies may know of the past, by name.
//!
//! ```toml
//! [history.tests_passed]          # context.history.tests_passed: Long
//! action = "invoke"
//! tool = "run_tests"
//! outcome = "success"
//! within = "1h"
//!
//! [history.customers]             # how many different ones in this session, this call's included
//! action = "invoke"
//! set = "customer-records"
//! count = "distinct"
//! of = "/customer_id"
//! per = "session"
//! ```

mod fact;
mod fields;
mod parse;
mod reads;
mod schema;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::mem::discriminant;

use cedar_policy::{Entity, EntityUid, ResourceConstraint};

pub use self::fact::{Count, Counted, Ending, Fact, Per};
pub(super) use self::schema::declare;

use super::fault::{Fault, Severity};
use super::load::SourceFile;
use super::syntax::Written;
use crate::authz::facts::{History, Tally};

/// The facts that a bundle declares, and which decisions read them.
#[derive(Debug, Default)]
pub struct Declared {
    facts: Vec<Fact>,
    /// By action. One that reads none is left out.
    readers: HashMap<EntityUid, Vec<Reader>>,
}

/// A fact that policies read and that was not recorded with the decision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`context.history.{0}` was not recorded with it")]
pub struct Untold(pub String);

/// A policy or template that reads facts.
#[derive(Clone, Debug)]
struct Reader {
    /// What the resource must be, or be in.
    within: Option<EntityUid>,
    /// Places in the list of facts.
    facts: BTreeSet<usize>,
}

impl Declared {
    /// What `file` declares; nothing where there is none.
    ///
    /// # Errors
    /// Every fault of the file, with its place.
    pub(super) fn parse(file: Option<&SourceFile>) -> Result<Declared, Vec<Fault>> {
        let facts = file.map_or_else(|| Ok(Vec::new()), parse::facts)?;
        Ok(Declared { facts, readers: HashMap::new() })
    }

    /// Takes note of which actions' policies, templates included, read which facts.
    pub(super) fn find_readers(
        &mut self,
        written: &[Written],
        actions: &HashMap<EntityUid, Vec<Entity>>,
    ) {
        for policy in written {
            let facts = reads::of(policy, &self.facts);
            if facts.is_empty() {
                continue;
            }
            let reader = Reader { within: within(policy), facts };
            for action in actions.keys().filter(|it| policy.scope.admits_action(it, actions)) {
                self.readers.entry(action.clone()).or_default().push(reader.clone());
            }
        }
    }

    /// A warning for each fact that no policy reads.
    pub(super) fn unread(&self, file: &SourceFile) -> Vec<Fault> {
        let readers = self.readers.values().flatten();
        let read: BTreeSet<usize> = readers.flat_map(|it| &it.facts).copied().collect();
        let unread = self.facts.iter().enumerate().filter(|(at, _)| !read.contains(at));
        let warning = |(_, fact): (usize, &Fact)| {
            let problem = format!("no policy reads `context.history.{}`", fact.name);
            let severity = Severity::Warning;
            Fault { line: fact.line, column: 1, severity, ..Fault::whole(&file.path, problem) }
                .ruled("unread-fact")
                .fixed_by("write a policy that does, or take it out")
        };
        unread.map(warning).collect()
    }

    /// Whether some policy or template reads the fact of this name.
    #[cfg(feature = "prove")]
    pub(super) fn reads(&self, name: &str) -> bool {
        let mut readers = self.readers.values().flatten();
        let is = |at: &usize| self.facts.get(*at).is_some_and(|it| it.name == name);
        readers.any(|it| it.facts.iter().any(is))
    }

    /// Every fact, by name.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// The facts that some policy reads that can matter to `action` on a resource that is, or is in,
    /// what `is_in` says.
    pub fn read_by(
        &self,
        action: &EntityUid,
        is_in: impl Fn(&EntityUid) -> bool,
    ) -> impl Iterator<Item = &Fact> {
        let readers = self.readers.get(action).into_iter().flatten();
        let concerned = readers.filter(|it| it.within.as_ref().is_none_or(&is_in));
        let places: BTreeSet<usize> = concerned.flat_map(|it| &it.facts).copied().collect();
        places.into_iter().filter_map(|at| self.facts.get(at))
    }

    /// What there is to tell where nothing has happened yet.
    pub fn nothing(&self) -> History {
        self.facts.iter().map(|it| (it.name.clone(), it.nothing())).collect()
    }

    /// The past that a decision was told of, as the schema wants it: with every fact in it, of which
    /// those that were not told are such as no policy about this action and resource reads.
    ///
    /// # Errors
    /// One that was not told is read.
    pub fn complete(
        &self,
        told: Option<&History>,
        action: &EntityUid,
        is_in: impl Fn(&EntityUid) -> bool,
    ) -> Result<History, Untold> {
        let of = |it: &Fact| {
            let alike = |tally: &Tally| discriminant(tally) == discriminant(&it.nothing());
            told.and_then(|told| told.get(&it.name)).filter(alike)
        };
        if let Some(it) = self.read_by(action, is_in).find(|it| of(it).is_none()) {
            return Err(Untold(it.name.clone()));
        }
        let all = self.facts.iter();
        Ok(all.map(|it| (it.name.clone(), of(it).unwrap_or_else(|| it.nothing()))).collect())
    }

    /// Of the past that a decision was told of under the declaration `then`, what counts the same
    /// here. Where nobody knows what was declared then, nobody knows what was counted.
    pub fn counted_alike(&self, told: &History, then: Option<&Declared>) -> History {
        let before = then.map_or(&[][..], Declared::facts);
        told.only(|name| {
            let of = |all: &[Fact]| all.iter().position(|it| it.name == name);
            let both = of(&self.facts).zip(of(before));
            let both = both.and_then(|(here, then)| self.facts.get(here).zip(before.get(then)));
            both.is_some_and(|(here, then)| here.counts_alike(then))
        })
    }

    /// The paths below `context` of the facts that include the request itself and what is not
    /// decided yet: these may only ever take away.
    pub(super) fn falling(&self) -> impl Iterator<Item = String> {
        let open = self.facts.iter().filter(|it| it.ending == Ending::Any);
        open.map(|it| format!("history.{}", it.name))
    }
}

/// What the resource of a request must be, or be in, for a policy to matter; none is anything.
fn within(policy: &Written) -> Option<EntityUid> {
    match &policy.scope.ends.as_ref()?.resource {
        ResourceConstraint::Eq(it)
        | ResourceConstraint::In(it)
        | ResourceConstraint::IsIn(_, it) => Some(it.clone()),
        ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
    }
}
