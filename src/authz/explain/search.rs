//! The smallest change that turns a denial into an allow: sets of changes by their size, each tried
//! out, and none that cannot matter.
//!
//! Whoever says no looks at some facts only. A set that leaves all of those as they were is not
//! tried: it would be refused by the same policy again.

use std::collections::{BTreeMap, BTreeSet};

use super::asking::{Asking, Denier, Said, Spent, read_by};
use super::choices::Choices;
use super::cure::{Cure, Cures, Possible};
use super::suppose::{Choice, Supposed, suppose};
use super::{Pace, Reach};
use crate::authz::case::Case;
use crate::policy::{Bundle, Fix};

/// More than this is no small change any more.
const TOGETHER_MAX: usize = 5;

/// A set of changes that Cedar confirms, with the values that were chosen.
#[derive(Clone, Debug)]
pub struct Remedy {
    pub cures: Cures,
    pub choice: Choice,
    /// The request with these changes.
    pub case: Case,
    /// Who said no before.
    pub denied_by: Vec<Denier>,
}

/// What came of a search.
#[derive(Debug)]
pub struct Found {
    pub remedy: Option<Remedy>,
    /// False where the budget was used up before everything was tried.
    pub complete: bool,
    /// How many evaluations it took.
    pub asked: usize,
}

/// Everything was denied by somebody who looks at none but these.
struct Conflict {
    cures: Cures,
    deniers: Vec<Cures>,
}

/// Who said no to which values of some changes, and what else each of them looks at.
type Refused = BTreeMap<Choice, Deniers>;

/// Those who said no, and what they look at.
type Deniers = BTreeSet<(Denier, Cures)>;

struct Search<'a> {
    case: &'a Case,
    asking: Asking<'a>,
    choices: Choices,
    conflicts: Vec<Conflict>,
    /// By the changes that were made of those that they look at.
    refused: BTreeMap<Cures, Refused>,
}

/// Looks for the smallest change after which `bundle` allows `case`.
pub fn search(case: &Case, bundle: &Bundle, reach: &Reach, pace: Pace) -> Found {
    let possible = Possible::of(case, bundle, reach, (&read_by(case, bundle), pace));
    let mut search = Search {
        case,
        asking: Asking::new(bundle, reach, possible, pace),
        choices: Choices::default(),
        conflicts: Vec::new(),
        refused: BTreeMap::new(),
    };
    let (remedy, complete) = match search.run() {
        Ok(remedy) => (remedy, !search.choices.were_cut() && search.asking.possible.is_whole),
        Err(Spent) => (None, false),
    };
    Found { remedy, complete, asked: search.asking.asked() }
}

impl Search<'_> {
    fn run(&mut self) -> Result<Option<Remedy>, Spent> {
        let Said::Deny(deniers) = self.asking.ask(self.case)? else { return Ok(None) };
        if deniers.values().any(Cures::is_empty) {
            return Ok(None);
        }
        let denied_by: Vec<Denier> = deniers.keys().cloned().collect();
        let hints = self.hints(&denied_by);
        let deniers = deniers.into_values().collect();
        self.conflicts.push(Conflict { cures: Cures::new(), deniers });
        let largest = TOGETHER_MAX.min(self.asking.possible.cures.len());
        for size in 1..=largest {
            for cures in self.sets(size, &hints) {
                self.asking.in_time()?;
                if self.is_hopeless(&cures) {
                    continue;
                }
                if let Some(choice) = self.attempt(&cures)? {
                    return self.confirmed(cures, choice, denied_by).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// What the policies that denied say would help: those are tried first.
    fn hints(&self, denied_by: &[Denier]) -> Vec<Fix> {
        let hint = |it: &Denier| match it {
            Denier::Forbid(id) => super::meta(self.asking.bundle, self.case, id)?.fix,
            Denier::NoPermit(_) | Denier::Unfit(_) => None,
        };
        denied_by.iter().filter_map(hint).collect()
    }

    /// Every set of this size, those that are hinted at first.
    fn sets(&self, size: usize, hints: &[Fix]) -> Vec<Cures> {
        let all: Vec<&Cure> = self.asking.possible.cures.iter().collect();
        let mut sets = Vec::new();
        combine(&all, size, &mut Cures::new(), &mut sets);
        let is_hinted = |it: &&Cure| hints.iter().any(|hint| it.hinted_by(*hint));
        sets.sort_by_key(|it| std::cmp::Reverse(it.iter().filter(is_hinted).count()));
        sets
    }

    /// Whether somebody who was in the way of fewer changes looks at none of the rest.
    fn is_hopeless(&self, cures: &Cures) -> bool {
        let blocks = |conflict: &Conflict| {
            conflict.cures.is_subset(cures)
                && conflict.deniers.iter().any(|moving| {
                    moving.iter().all(|it| !cures.contains(it) || conflict.cures.contains(it))
                })
        };
        self.conflicts.iter().any(blocks)
    }

    /// The first choice of values with which these changes are enough.
    fn attempt(&mut self, cures: &Cures) -> Result<Option<Choice>, Spent> {
        let mut tried: BTreeSet<Choice> = BTreeSet::new();
        let mut common: Option<Deniers> = None;
        loop {
            let known = self.asking.seen_count();
            for choice in self.choices.of(cures, self.case, &self.asking)? {
                if tried.contains(&choice) {
                    continue;
                }
                let Some(deniers) = self.deniers(cures, &choice)? else { return Ok(Some(choice)) };
                common = Some(match common {
                    None => deniers,
                    Some(before) => before.intersection(&deniers).cloned().collect(),
                });
                tried.insert(choice);
            }
            // Who is in the way now may draw lines of its own.
            if self.asking.seen_count() == known {
                break;
            }
        }
        let deniers = common.into_iter().flatten().map(|(_, moving)| moving).collect();
        self.conflicts.push(Conflict { cures: cures.clone(), deniers });
        Ok(None)
    }

    /// Who says no to these values; none when nobody does. Who said no to all that it looks at
    /// before is not asked again.
    fn deniers(&mut self, cures: &Cures, choice: &Choice) -> Result<Option<Deniers>, Spent> {
        self.asking.look()?;
        let mut known = Deniers::new();
        for (made, refused) in self.refused.iter().filter(|(made, _)| made.is_subset(cures)) {
            let looks_no_further = |(_, moving): &&(Denier, Cures)| {
                moving.intersection(cures).all(|cure| made.contains(cure))
            };
            let deniers = refused.get(&choice.only(made, cures)).into_iter().flatten();
            known.extend(deniers.filter(looks_no_further).cloned());
        }
        if !known.is_empty() {
            return Ok(Some(known));
        }
        let supposed = self.suppose(cures, choice);
        let said = supposed.map_or(Ok(Said::Never), |it| self.asking.ask_supposed(&it))?;
        let Said::Deny(deniers) = said else {
            return Ok((said == Said::Never).then(Deniers::new));
        };
        for (denier, moving) in &deniers {
            let made: Cures = moving.intersection(cures).cloned().collect();
            let values = choice.only(&made, cures);
            let of_these = self.refused.entry(made).or_default().entry(values).or_default();
            of_these.insert((denier.clone(), moving.clone()));
        }
        Ok(Some(deniers.into_iter().collect()))
    }

    /// The best of the values, and no change that is not needed with them.
    fn confirmed(
        &self,
        mut cures: Cures,
        choice: Choice,
        denied_by: Vec<Denier>,
    ) -> Result<Remedy, Spent> {
        let mut choice = self.choices.refined(&cures, choice, self.case, &self.asking)?;
        for cure in cures.clone() {
            let mut fewer = cures.clone();
            fewer.remove(&cure);
            let without = choice.without(&cure);
            let supposed = self.suppose(&fewer, &without);
            if cures.len() > 1
                && without.can_be_held(&fewer, self.case)
                && supposed.is_some_and(|it| self.asking.allows_supposed(&it) == Ok(true))
            {
                (cures, choice) = (fewer, without);
            }
        }
        // Every value that was taken was asked about when it was.
        let case = self.suppose(&cures, &choice).ok_or(Spent)?.case;
        Ok(Remedy { cures, choice, case, denied_by })
    }

    fn suppose(&self, cures: &Cures, choice: &Choice) -> Option<Supposed> {
        suppose(self.case, cures, choice, self.asking.bundle, self.asking.reach)
    }
}

fn combine(rest: &[&Cure], size: usize, chosen: &mut Cures, sets: &mut Vec<Cures>) {
    if size == 0 {
        sets.push(chosen.clone());
        return;
    }
    for (at, cure) in rest.iter().enumerate() {
        chosen.insert((*cure).clone());
        combine(rest.get(at + 1..).unwrap_or_default(), size - 1, chosen, sets);
        chosen.remove(*cure);
    }
}
