//! Decisions on many things at once, and those that are part of another.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::action::{Listing, Resource, TheRegistry};
use super::answer::Question;
use super::behalf::Party;
use super::facts::Particulars;
use super::many::Many;
use super::permit::{Record, Visible, Warrant};
use super::scope::ScopeResource;
use super::verdict::Outcome;
use super::{Authz, report};
use crate::Result;
use crate::authn::Caller;

/// Decisions on members of a collection before others get a turn.
const TURN: usize = 32;

impl Authz {
    /// Decides on each member of a collection and hands out those that may be seen: one page, one
    /// audit entry.
    pub async fn visible<L: Listing>(&self, caller: Caller, listing: L) -> Result<Visible<L>> {
        let candidates = listing.candidates(&self.world).await?;
        let behalf = self.behalf(&caller, None)?;
        let party = Party { caller: &caller, behalf: behalf.as_ref() };
        let asked = self.decider.prepare(party, L::NAME, &listing.particulars())?;
        let mut page: Vec<L::Item> = Vec::new();
        let (mut passed, mut next, mut last) = (0, String::new(), None);
        let (mut errors, mut many) = (BTreeSet::new(), Many::new(&asked));
        for (looked_at, item) in candidates.items.into_iter().enumerate() {
            // Thousands of decisions in a row: others must get their turn in between.
            if looked_at % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            let outcome = many.about(&item)?;
            errors.extend(outcome.errors);
            if outcome.allow {
                if passed < listing.skip() {
                    passed += 1;
                } else if page.len() < listing.page_size() {
                    page.push(item.clone());
                } else {
                    next = page.last().map(|it| listing.token_after(it)).unwrap_or_default();
                    break;
                }
            }
            last = Some(item);
        }
        if next.is_empty() && candidates.more {
            next = last.map(|it| listing.token_after(&it)).unwrap_or_default();
        }
        let question = Question {
            action: L::NAME,
            event: L::EVENT,
            resource: &TheRegistry,
            particulars: listing.particulars(),
            past: None,
            cost_micros: 0,
        };
        let mut entry = self.entry(party, &question, &mut asked.answer(allowed()));
        entry.details.insert("shown".into(), page.len().into());
        entry.errors.extend(errors);
        report(L::NAME, &entry.errors);
        Ok(Visible::new(page, next, Warrant::new(Arc::new(Record::new(entry)))))
    }

    /// Which of `scopes` this principal's token may carry: one decision for each.
    pub fn holdable(&self, caller: &Caller, scopes: &[String]) -> Result<Vec<String>> {
        let party = Party::alone(caller);
        let asked = self.decider.prepare(party, "hold_scope", &Particulars::Base)?;
        let mut held = Vec::new();
        let mut errors = BTreeSet::new();
        for scope in scopes {
            let outcome = asked.about(&ScopeResource::new(scope))?;
            errors.extend(outcome.errors);
            if outcome.allow {
                held.push(scope.clone());
            }
        }
        report("hold_scope", &Vec::from_iter(errors));
        Ok(held)
    }

    /// Whether this caller would be allowed something that depends on a permit it already has: a
    /// part of that decision, not a decision of its own.
    pub fn would_allow(
        &self,
        caller: &Caller,
        action: &'static str,
        resource: &dyn Resource,
        particulars: &Particulars,
    ) -> Result<bool> {
        let behalf = self.behalf(caller, None)?;
        let party = Party { caller, behalf: behalf.as_ref() };
        Ok(self.decider.prepare(party, action, particulars)?.about(resource)?.allow)
    }
}

/// The verdict on asking for a list: what may be seen is decided for each of its members.
fn allowed() -> Outcome {
    Outcome { allow: true, reasons: Vec::new(), errors: Vec::new() }
}
