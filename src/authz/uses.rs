//! Uses of credentials: what is left to decide when one is issued, and deciding it when a tool asks.

use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use uuid::Uuid;

use super::Authz;
use super::action::{Action, Resource};
use super::case::Case;
use super::facts::{Call, Facts, Particulars, Usage};
use super::past::{Asked, Who};
use super::permit::Permit;
use super::quota::NOTHING_USED;
use super::residual::{Life, Residual, call_action, residual};
use super::uid::Kind;
use crate::Result;
use crate::directory::{self, Snapshot};
use crate::policy::Bundle;
use crate::registry::Tool;

impl Authz {
    /// What is left to decide of an allowed request for a credential; `call` is what is known of the
    /// calls it is for.
    pub fn residual<A: Action>(&self, permit: &Permit<A>, call: Call, life: Life) -> Residual {
        let (issue, bundle) = permit.case();
        residual(&issue, &calling(&issue, call), bundle, self.decider.home(), life)
    }

    /// Whether the policies of now still allow what a credential was issued for, and forbid no such
    /// call. `issue` is the decision it was issued on. None is yes; otherwise why not.
    /// `who` is whose past counts.
    pub async fn refuses_use(
        &self,
        issue: Case,
        tool: &Arc<Tool>,
        call: Call,
        who: &Who,
    ) -> Result<Option<String>> {
        let bundle = self.bundle();
        let issue = self.as_of_now(issue, tool, &bundle)?;
        let call = calling(&issue, call);
        let particulars = &issue.facts.particulars;
        let asked = Asked::new(who.clone(), "request_credential", tool, particulars);
        // It happened, and was counted then: it is not about to happen once more.
        let issue = issue.told(self.past.recall(&bundle, &asked).await?);
        let asked = Asked::new(who.clone(), "invoke", tool, &call.facts.particulars);
        let call = call.told(self.past.foresee(&bundle, &asked).await?);
        Ok(refusal(&issue, &call, &bundle))
    }

    /// The same question, asked now: the people and the tool as they are, the clock as it is, and
    /// everything else as it was.
    fn as_of_now(&self, issue: Case, tool: &Arc<Tool>, bundle: &Bundle) -> Result<Case> {
        let known = self.world.directory.snapshot();
        let grants = self.world.grants.snapshot();
        let mut entities: Vec<_> = tool.entity().cloned().into_iter().collect();
        let mut members = Vec::new();
        for uid in issue.principals() {
            let Some(entity) = entity_of(uid, &known) else { continue };
            members.push(entity.uid());
            members.extend(entity.clone().into_inner().2);
            entities.push(entity);
        }
        let clock = self.decider.clock_facts(bundle)?;
        let facts = Facts { clock, ..issue.facts.clone() };
        let links = grants.of(members.iter());
        Ok(Case { facts, entities, links, ..issue })
    }
}

fn entity_of(principal: &EntityUid, known: &Snapshot) -> Option<Entity> {
    let id: Uuid = principal.id().unescaped().parse().ok()?;
    let kind = match Kind::of(principal.type_name())? {
        Kind::User => directory::Kind::User,
        Kind::Agent => directory::Kind::Agent,
        _ => return None,
    };
    Some(known.principal(kind, id)?.entity().clone())
}

/// The call that a credential is for, by the one it was issued to.
pub(crate) fn calling(issue: &Case, call: Call) -> Case {
    let usage = match &issue.facts.particulars {
        Particulars::Credential { usage, .. } => *usage,
        _ => Usage { ..NOTHING_USED },
    };
    let particulars = Particulars::Call { usage, call: Box::new(call), approval: None };
    let facts = Facts { particulars, ..issue.facts.clone() };
    Case { action: call_action(), ..issue.with(facts) }
}

/// Why not, if not: the credential would not be issued any more, or something forbids the call.
pub(crate) fn refusal(issue: &Case, call: &Case, bundle: &Bundle) -> Option<String> {
    match issue.decide(bundle) {
        Ok(it) if it.allow => {}
        Ok(it) => return Some(it.reasons.join(", ")),
        Err(error) => return Some(error.to_string()),
    }
    call.principals().find_map(|principal| match call.decide_for(principal, bundle) {
        Ok(it) if it.errors.is_empty() && (it.allow || it.reasons.is_empty()) => None,
        Ok(it) => Some(it.reasons.join(", ")),
        Err(error) => Some(error.to_string()),
    })
}
