//! Uses of credentials: what is left to decide when one is issued, and deciding it when a tool asks.

use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use uuid::Uuid;

use super::Authz;
use super::action::{Action, Resource};
use super::case::Case;
use super::facts::{Call, Facts, History, Particulars, Usage};
use super::past::{Asked, Begun, Recalled, Recorded, Wait, Who};
use super::permit::Permit;
use super::quota::NOTHING_USED;
use super::residual::{Life, Residual, call_action, residual};
use super::uid::Kind;
use crate::directory::{self, Snapshot};
use crate::error::FieldFault;
use crate::policy::Bundle;
use crate::registry::Tool;
use crate::{Error, Result};

/// What the policies say of one use of a credential, and the past that they were told.
pub enum OneUse {
    /// With what is to be written where the tool is told so.
    Allowed {
        history: History,
        recorded: Recorded,
    },
    Denied {
        history: History,
        why: String,
    },
    /// It lacks an argument to be counted by, or has one that cannot be counted.
    Uncountable(Vec<FieldFault>),
}

impl Authz {
    /// What is left to decide of an allowed request for a credential; `call` is what is known of the
    /// calls it is for.
    pub fn residual<A: Action>(&self, permit: &Permit<A>, call: Call, life: Life) -> Residual {
        let (issue, bundle) = permit.case();
        residual(&issue, &calling(&issue, call), bundle, self.decider.home(), life)
    }

    /// Decides on one use of a credential: whether the policies of now still allow what it was
    /// issued for, and forbid no such call. `issue` is the decision it was issued on, `who` is whose
    /// past counts. What is counted of such calls is reserved as for any other.
    ///
    /// # Errors
    /// The store does not answer, or the clocks of the policies cannot be read.
    pub async fn decide_use(
        &self,
        issue: Case,
        tool: &Arc<Tool>,
        call: Call,
        who: Who,
    ) -> Result<OneUse> {
        let bundle = self.bundle();
        let issue = self.as_of_now(issue, tool, &bundle)?;
        let call = calling(&issue, call);
        let particulars = &issue.facts.particulars;
        let asked = Asked::new(who.clone(), "request_credential", tool, particulars);
        // It happened, and was counted then: it is not about to happen once more.
        let issue = issue.told(self.past.recall(&bundle, &asked).await?);
        let asked = Asked::new(who, "invoke", tool, &call.facts.particulars);
        let begun = match self.past.begin(&bundle, &asked).await {
            Err(Error::Invalid(faults)) => return Ok(OneUse::Uncountable(faults)),
            begun => begun?,
        };
        let (history, refused) = self.refusal_of((&issue, &call), &begun, &bundle).await?;
        if let Some(why) = refused {
            begun.give_back().await;
            return Ok(OneUse::Denied { history, why });
        }
        Ok(OneUse::Allowed { history, recorded: begun.recorded().without_end() })
    }

    /// Why not, if not, and the past that it was told. Where it hangs on nothing but reservations
    /// that are not decided yet, it is asked again and again for a while.
    async fn refusal_of(
        &self,
        (issue, call): (&Case, &Case),
        begun: &Begun,
        bundle: &Bundle,
    ) -> Result<(History, Option<String>)> {
        let refused = |history| refusal(issue, &call.told(history), bundle);
        let mut wait = Wait::new(&self.clock);
        loop {
            let Recalled { history, waits } = begun.told(&self.past).await?;
            let found = refused(history.clone());
            if found.is_none() || !waits || wait.is_over() {
                return Ok((history, found));
            }
            if refused(begun.told_alone(&self.past).await?).is_some() {
                return Ok((history, found));
            }
            wait.pause().await;
        }
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
