//! Requests that differ from one in some of what is read: all of them, as far as the bounds go.

use cedar_policy::{Entities, Request};

use super::super::reads::Reads;
use super::super::rule::Condition;
use super::super::sketch::Sketch;
use super::super::values::{Change, Changes, Who, changes};
use super::{Kept, Search};

/// Those that are tried to make one condition true.
pub(super) const PER_CONDITION_MAX: usize = 200;

impl Search<'_> {
    /// `start`, changed until each condition holds; what `keeps` says holds all the while.
    pub(super) fn satisfied(
        &mut self,
        conditions: &[Condition],
        start: Sketch,
        who: Who,
        keeps: Kept<'_>,
    ) -> Option<Sketch> {
        let mut sketch = start;
        let before = self.cut_off;
        for (at, condition) in conditions.iter().enumerate() {
            let so_far = conditions.get(..=at)?;
            if self.asked(&sketch).is_some_and(|it| condition.holds(&it)) {
                continue;
            }
            // Mostly it is enough to change what this condition reads.
            let all = so_far.iter().fold(Reads::default(), |all, it| all.and(&it.reads));
            let better = self.better(&sketch, so_far, &condition.reads, who, keeps);
            sketch = better.or_else(|| self.better(&sketch, so_far, &all, who, keeps))?;
        }
        // One way is enough.
        self.cut_off = before;
        Some(sketch)
    }

    /// Whether `condition` holds nowhere that `keeps` holds: everything was tried.
    pub(super) fn never(
        &mut self,
        condition: &Condition,
        start: &Sketch,
        who: Who,
        keeps: Kept<'_>,
    ) -> bool {
        if condition.reads.computes {
            return false;
        }
        let before = std::mem::take(&mut self.cut_off);
        let alone = std::slice::from_ref(condition);
        let found = self.better(start, alone, &condition.reads, who, keeps);
        let cut_off = std::mem::replace(&mut self.cut_off, before);
        found.is_none() && !cut_off
    }

    fn better(
        &mut self,
        sketch: &Sketch,
        conditions: &[Condition],
        reads: &Reads,
        who: Who,
        keeps: Kept<'_>,
    ) -> Option<Sketch> {
        let lists = self.changes(reads, sketch, who);
        let mut better = None;
        let every = lists.len();
        self.vary(sketch, &lists, every, PER_CONDITION_MAX, &mut |search, it| {
            if let Some(asked) = search.asked(it)
                && conditions.iter().rev().all(|it| it.holds(&asked))
                && keeps(&asked)
            {
                better = Some(it.clone());
            }
            better.is_some()
        });
        better
    }

    /// Shows `sketch` with up to `most` of its facts changed, fewer first, until `seen` says that
    /// it has seen enough or `limit` of them were shown. Whatever was not shown by then cuts off.
    pub(super) fn vary(
        &mut self,
        sketch: &Sketch,
        lists: &[Vec<Change>],
        most: usize,
        limit: usize,
        seen: &mut dyn FnMut(&mut Self, &Sketch) -> bool,
    ) {
        let mut limit = limit;
        for count in 0..=most.min(lists.len()) {
            if self.vary_exactly(sketch, lists, count, &mut limit, seen) {
                return;
            }
        }
        self.cut_off |= lists.len() > most;
    }

    fn vary_exactly(
        &mut self,
        sketch: &Sketch,
        lists: &[Vec<Change>],
        count: usize,
        limit: &mut usize,
        seen: &mut dyn FnMut(&mut Self, &Sketch) -> bool,
    ) -> bool {
        if count == 0 {
            let Some(left) = limit.checked_sub(1).filter(|_| self.left > 0) else {
                self.cut_off = true;
                return true;
            };
            *limit = left;
            return seen(self, sketch);
        }
        let mut rest = lists;
        while let Some((first, others)) = rest.split_first() {
            // Too few are left to change so many.
            if rest.len() < count {
                break;
            }
            for change in first {
                let mut changed = sketch.clone();
                change.apply(&mut changed, &self.shapes);
                if self.vary_exactly(&changed, others, count - 1, limit, seen) {
                    return true;
                }
            }
            rest = others;
        }
        false
    }

    pub(super) fn changes(&mut self, reads: &Reads, sketch: &Sketch, who: Who) -> Vec<Vec<Change>> {
        let Changes { lists, cut_off } = changes(reads, sketch, &self.shapes, who);
        self.cut_off |= cut_off;
        lists
    }

    pub(super) fn asked(&mut self, sketch: &Sketch) -> Option<(Request, Entities)> {
        let left = self.left.checked_sub(1);
        self.cut_off |= left.is_none();
        self.left = left?;
        sketch.asked(self.bundle)
    }
}
