//! What happened before, as the bundle's declaration names it.

use std::collections::BTreeMap;

use anyhow::Result;
use cedar_policy::RestrictedExpression;
use serde::{Deserialize, Serialize};

use super::amount::Amount;
use super::express::count;

/// The facts that policies read as `context.history.<name>`: those alone that the decision needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History(BTreeMap<String, Tally>);

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Tally {
    /// Calls, or different values.
    Count(u64),
    Sum(Amount),
}

impl History {
    pub fn get(&self, name: &str) -> Option<Tally> {
        self.0.get(name).copied()
    }

    /// The facts by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Tally)> {
        self.0.iter().map(|(name, it)| (name.as_str(), *it))
    }

    /// The facts of these names alone.
    pub fn only(&self, is_one: impl Fn(&str) -> bool) -> History {
        self.iter().filter(|(name, _)| is_one(name)).map(|(name, it)| (name.into(), it)).collect()
    }

    /// The same facts, with those of `other` in the place of its namesakes.
    pub fn with(mut self, other: &History) -> History {
        self.0.extend(other.0.iter().map(|(name, it)| (name.clone(), *it)));
        self
    }

    pub(super) fn expression(&self) -> Result<RestrictedExpression> {
        let fields = self.0.iter().map(|(name, it)| (name.clone(), it.expression()));
        Ok(RestrictedExpression::new_record(fields)?)
    }
}

impl FromIterator<(String, Tally)> for History {
    fn from_iter<T: IntoIterator<Item = (String, Tally)>>(facts: T) -> History {
        History(facts.into_iter().collect())
    }
}

impl Tally {
    fn expression(self) -> RestrictedExpression {
        match self {
            Tally::Count(it) => count(it),
            Tally::Sum(it) => RestrictedExpression::new_decimal(it.to_string()),
        }
    }
}
