//! What the audit is told of a decision.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use serde_json::json;

use super::Authz;
use super::answer::{Answer, Question};
use super::behalf::Party;
use super::permit::Record;
use crate::audit::{Decision, Entry, Outcome, Target};
use crate::authn::{Caller, Via};
use crate::{Error, Result, metrics};

impl Authz {
    /// Takes from the answer what only the audit needs.
    pub(super) fn entry(
        &self,
        party: Party<'_>,
        question: &Question<'_>,
        answer: &mut Answer,
    ) -> Entry {
        let allow = answer.outcome.allow;
        let mut entry = Entry {
            action: Some(question.action.into()),
            target: question.resource.target(),
            decision: if allow { Decision::Allow } else { Decision::Deny },
            outcome: if allow { Outcome::Success } else { Outcome::Denied },
            reasons: answer.outcome.reasons.clone(),
            errors: answer.outcome.errors.clone(),
            bundle: Some(answer.bundle.digest().to_owned()),
            asked: answer.recorded.take(),
            facts: Some(answer.told.json.clone()),
            ..self.blank(party, question.event)
        };
        if let Some(it) = &answer.denied {
            entry.details.insert("denied".into(), json!(it));
        }
        if let Some(it) = &answer.told.unfit {
            entry.details.insert("unfit".into(), it.pointer.as_str().into());
        }
        entry
    }

    pub(super) fn blank(&self, party: Party<'_>, event: &'static str) -> Entry {
        let mut details = shown(party.caller);
        if let Some(it) = party.behalf {
            it.tell(&mut details);
        }
        Entry {
            id: self.clock.new_id(),
            at: self.clock.now(),
            event: event.into(),
            action: None,
            actor: party.caller.principal().actor(),
            target: Target { kind: String::new(), id: String::new(), name: String::new() },
            decision: Decision::Deny,
            outcome: Outcome::Denied,
            reasons: Vec::new(),
            errors: Vec::new(),
            bundle: None,
            request: Some(party.caller.origin().clone()),
            asked: None,
            facts: None,
            details,
        }
    }

    /// Does what was allowed, and writes the decision down whatever becomes of it: where the act
    /// fails, or panics, before it wrote anything, too.
    ///
    /// # Errors
    /// Those of the act; or the decision could not be written.
    pub async fn settled<T, E: From<Error>>(
        &self,
        record: &Record,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let acted = AssertUnwindSafe(act).catch_unwind().await;
        let done = acted.unwrap_or_else(|_| {
            ::metrics::counter!(metrics::PANICS).increment(1);
            Err(Error::internal("the act panicked").into())
        });
        let outcome = if done.is_ok() { Outcome::Success } else { Outcome::Failed };
        self.settle(record, outcome).await?;
        done
    }

    /// Writes down a decision that had no effect to travel with.
    pub async fn settle(&self, record: &Record, outcome: Outcome) -> Result<()> {
        self.ledger.settle(record, outcome).await
    }
}

/// Which API key or credential the caller showed: several may stand for the same principal.
fn shown(caller: &Caller) -> BTreeMap<String, serde_json::Value> {
    match caller.session().proof.via {
        Via::ApiKey(id) => [("by_api_key".to_owned(), id.to_string().into())].into(),
        Via::Credential { id, .. } => [("by_credential".to_owned(), id.to_string().into())].into(),
        _ => BTreeMap::new(),
    }
}
