//! The scopes that a fresh access token of somebody would hold.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use cedar_policy::Entity;

use super::inquiry::{Inquiry, Who};
use crate::Result;
use crate::authz::facts::{Facts, Particulars};
use crate::authz::uid::{Kind, action};
use crate::authz::{Resource as _, ScopeResource};

const HOLD: &str = "hold_scope";

/// What was decided before, by all that such a decision looks at.
#[derive(Default)]
pub struct Scopes(Mutex<HashMap<String, BTreeSet<String>>>);

impl Inquiry<'_> {
    /// Every scope that policies name and that they let `principal` hold, as at a sign-in that asks
    /// for all. Those who are alike in everything but their id hold alike, unless some policy about
    /// scopes names somebody.
    pub(super) fn holdable(&self, principal: &Entity, facts: &Facts) -> Result<BTreeSet<String>> {
        let Some(alike) = self.alike(principal) else { return self.held(principal, facts) };
        let known = self.scopes.0.lock().ok().and_then(|it| it.get(&alike).cloned());
        if let Some(known) = known {
            return Ok(known);
        }
        let held = self.held(principal, facts)?;
        if let Ok(mut all) = self.scopes.0.lock() {
            all.insert(alike, held.clone());
        }
        Ok(held)
    }

    fn held(&self, principal: &Entity, facts: &Facts) -> Result<BTreeSet<String>> {
        let who = Who {
            entity: principal.clone(),
            others: Some(Vec::new()),
            facts: Facts { particulars: Particulars::Base, ..facts.clone() },
            counted: None,
        };
        let mut held = BTreeSet::new();
        for scope in self.bundle().token_scopes() {
            let it = ScopeResource::new(scope);
            let about = (it.uid(), it.entity().cloned());
            if self.ask(&who, action(HOLD), about, who.facts.clone())?.1.allow {
                held.insert(scope.clone());
            }
        }
        Ok(held)
    }

    /// All that a decision about scopes looks at, but the id; none where it may look at that.
    fn alike(&self, principal: &Entity) -> Option<String> {
        let kind = principal.uid().type_name().clone();
        let policies = self.bundle().slice(&kind, &action(HOLD), Kind::Scope.type_name());
        let name = format!("{kind}::\"");
        if policies.policies().any(|it| it.to_string().contains(&name)) {
            return None;
        }
        if !self.authz.links_of(std::iter::once(principal)).is_empty() {
            return None;
        }
        let mut written = principal.to_json_value().ok()?;
        written.as_object_mut()?.remove("uid");
        Some(format!("{kind} {written}"))
    }
}
